package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// receiptJSON is a Receipt as the commands print it.
type receiptJSON struct {
	BlockNumber   uint64         `json:"block"`
	BlockHash     substrate.Hash `json:"block_hash"`
	ExtrinsicHash substrate.Hash `json:"extrinsic_hash"`
}

func receiptOf(r subtensor.Receipt) receiptJSON {
	return receiptJSON{r.BlockNumber, r.BlockHash, r.ExtrinsicHash}
}

// advice says what to try after a refusal of the chain, by the error's name.
var advice = map[string]string{
	"HotKeyAlreadyRegisteredInSubNet":      "bitmind metagraph, to see its uid",
	"NotEnoughStakeToWithdraw":             "a smaller amount, or all",
	"NotEnoughBalanceToStake":              "a smaller amount, or fund the coldkey",
	"BalanceTooLow":                        "a smaller amount, or fund the coldkey",
	"Payment":                              "fund the coldkey: it cannot pay the fee",
	"StakeAmountTooLow":                    "a larger amount",
	"AmountTooLow":                         "a larger amount",
	"HotKeyAccountNotExists":               "bitmind register first",
	"HotkeyAccountDoesntExist":             "bitmind register first",
	"HotKeyNotRegisteredInNetwork":         "bitmind register first",
	"SubnetDoesntExist":                    "another --netuid",
	"SubNetworkDoesNotExist":               "another --netuid",
	"TooManyRegistrationsThisBlock":        "again in a minute",
	"TooManyRegistrationsThisInterval":     "again later: the subnet takes a limited number of neurons per interval",
	"SubNetRegistrationDisabled":           "later: the owner has closed the registration",
	"NonAssociatedColdKey":                 "the coldkey that owns this hotkey",
	"Stale":                                "again: another transaction of this coldkey was faster",
	"BadProof":                             "again: the chain was upgraded or is another one than before",
	"RateLimitExceeded":                    "again later",
	"StakingOperationRateLimitExceeded":    "again in the next block",
	"TxRateLimitExceeded":                  "again later",
	"SubtokenDisabled":                     "later: the subnet has not started yet",
	"NetworkTxRateLimitExceeded":           "again later",
	"NotEnoughBalanceToPaySwapColdKey":     "fund the coldkey",
	"CanNotSetRootNetworkWeights":          "a subnet other than 0",
	"RegistrationNotPermittedOnRootSubnet": "a subnet other than 0",
}

// explain adds what to try to a refusal of the chain.
func explain(err error) error {
	if hint, ok := advice[substrate.ErrorName(err)]; ok {
		return fmt.Errorf("%w; try: %s", err, hint)
	}
	return err
}

// formatTAO writes an amount without losing a rao: "1.5".
func formatTAO(rao uint64) string { return subtensor.FormatTAO(rao) }

// parseTAO reads an amount in TAO, exactly: at most nine decimals.
func parseTAO(s string) (uint64, error) {
	whole, decimals, _ := strings.Cut(s, ".")
	if len(decimals) > 9 {
		return 0, usagef("amount %q has more than nine decimals; try: 1.5", s)
	}
	digits := whole + decimals + strings.Repeat("0", 9-len(decimals))
	for _, r := range digits {
		if r < '0' || r > '9' {
			return 0, usagef("amount %q is not a number of TAO; try: 1.5", s)
		}
	}
	rao, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || whole+decimals == "" {
		return 0, usagef("amount %q is not a number of TAO; try: 1.5", s)
	}
	return rao, nil
}
