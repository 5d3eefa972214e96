package localnet

import (
	_ "embed"
	"slices"
	"strings"
)

// symbolList names the symbols that subnets' tokens may have, one a line; the
// first is root's. A new subnet gets the one at its netuid.
//
//go:embed profiles/symbols.txt
var symbolList string

var symbols = strings.Split(strings.TrimSuffix(symbolList, "\n"), "\n")

// symbolUsed tells whether a subnet's token has the symbol.
func (e *env) symbolUsed(symbol string) bool {
	stored := string(scaleBytes([]byte(symbol)))
	for _, key := range e.prefixKeys("TokenSymbol") {
		if string(e.get(key)) == stored {
			return true
		}
	}
	return false
}

// freeSymbol is the symbol of a new subnet: the one at its netuid or, where
// that is taken, the first that is free; root's when none is.
func (e *env) freeSymbol(netuid uint16) string {
	own := symbols[0]
	if int(netuid) < len(symbols) {
		own = symbols[netuid]
	}
	if !e.symbolUsed(own) {
		return own
	}
	for _, s := range symbols[1:] {
		if !e.symbolUsed(s) {
			return s
		}
	}
	return symbols[0]
}

// updateSymbol changes a subnet's symbol to another that no subnet has.
func (e *env) updateSymbol(from origin, a args) error {
	netuid, symbol := a.u16("netuid"), string(arg[[]byte](a, "symbol"))
	switch {
	case !from.root && e.account("SubnetOwner", le16(netuid)) != from.id:
		return errBadOrigin
	case !slices.Contains(symbols[1:], symbol):
		return e.fail("SymbolDoesNotExist")
	case e.symbolUsed(symbol):
		return e.fail("SymbolAlreadyInUse")
	}
	e.setRaw("TokenSymbol", scaleBytes([]byte(symbol)), le16(netuid))
	e.emit("SubtensorModule", "SymbolUpdated", netuid, []byte(symbol))
	return nil
}
