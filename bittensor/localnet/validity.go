package localnet

import (
	"crypto/ed25519"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// invalidity is why a transaction is refused before it is in a block: a
// value of the runtime's TransactionValidityError.
type invalidity struct {
	name    string // variant of InvalidTransaction or UnknownTransaction
	custom  uint8  // for Custom
	unknown bool
}

func (e *invalidity) Error() string {
	if e.name == "Custom" {
		return fmt.Sprintf("Custom error: %d", e.custom)
	}
	if text, ok := validityTexts[e.name]; ok && !e.unknown {
		return text
	}
	return e.name
}

// validityTexts are the node's messages.
var validityTexts = map[string]string{
	"Call":                  "Transaction call is not expected",
	"Payment":               "Inability to pay some fees (e.g. account balance too low)",
	"Future":                "Transaction will be valid in the future",
	"Stale":                 "Transaction is outdated",
	"BadProof":              "Transaction has a bad signature",
	"AncientBirthBlock":     "Transaction has an ancient birth block",
	"ExhaustsResources":     "Transaction would exhaust the block limits",
	"BadMandatory":          "A call was labelled as mandatory, but resulted in an Error.",
	"MandatoryValidation":   "Transaction dispatch is mandatory; transactions must not be validated.",
	"BadSigner":             "Invalid signing address",
	"IndeterminateImplicit": "The implicit data was unable to be calculated",
	"UnknownOrigin":         "The transaction extension did not authorize any origin",
}

// value is the error in the runtime's form.
func (e *invalidity) value() substrate.Variant {
	inner := substrate.Variant{Name: e.name}
	if e.name == "Custom" {
		inner.Value = e.custom
	}
	if e.unknown {
		return substrate.Variant{Name: "Unknown", Value: inner}
	}
	return substrate.Variant{Name: "Invalid", Value: inner}
}

// customCodes maps module errors to the codes with which validation refuses
// a transaction; any other error of a checked call is 255.
var customCodes = map[string]uint8{
	"AmountTooLow": 1, "NotEnoughBalanceToStake": 2, "SubnetNotExists": 3, "SubNetworkDoesNotExist": 3,
	"HotKeyAccountNotExists": 4, "NotEnoughStakeToWithdraw": 5, "InsufficientLiquidity": 7, "SlippageTooHigh": 8,
	"TransferDisallowed": 9, "HotKeyNotRegisteredInNetwork": 10, "InvalidIpAddress": 11,
	"ServingRateLimitExceeded": 12, "InvalidPort": 13,
}

const badRequest = 255

// refused turns the error of a checked call into what validation answers.
func refused(err error) error {
	if err == nil {
		return nil
	}
	code := uint8(badRequest)
	if d, ok := err.(*dispatchError); ok {
		const module = "SubtensorModule."
		if len(d.name) > len(module) {
			if c, known := customCodes[d.name[len(module):]]; known {
				code = c
			}
		}
	}
	return &invalidity{name: "Custom", custom: code}
}

// transaction is a decoded extrinsic with what has been found out about it.
type transaction struct {
	*substrate.Extrinsic
	raw  []byte
	info callInfo
	// birth is the hash with which the signature was found good; the
	// extrinsic's era may begin elsewhere as blocks go by.
	birth    substrate.Hash
	verified bool
}

func (rt *runtime) decode(raw []byte) (*transaction, error) {
	x, err := rt.meta.DecodeExtrinsic(raw)
	if err != nil {
		return nil, err
	}
	return &transaction{Extrinsic: x, raw: raw, info: rt.infoOf(x.Call)}, nil
}

// chainView is what validation needs to know of the chain beyond its state.
type chainView struct {
	genesis   substrate.Hash
	blockHash func(number uint64) (substrate.Hash, bool)
}

// validate makes every check of a transaction that does not depend on its
// nonce, as for a block of the env's number.
func (e *env) validate(t *transaction, c chainView) error {
	if _, ok := t.asPulse(); ok {
		return e.validatePulse(t)
	}
	if !t.Signed {
		return &invalidity{name: "Call"}
	}
	if t.Signer == (ss58.AccountID{}) {
		return &invalidity{name: "BadSigner"}
	}
	if v, ok := t.Extra.Get("CheckMetadataHash"); ok && metadataHashWanted(v) {
		// The metadata's hash is compiled into no runtime here.
		return &invalidity{name: "CannotLookup", unknown: true}
	}
	birth := c.genesis
	if !t.Era.Immortal() {
		var ok bool
		if birth, ok = c.blockHash(t.Era.Birth(e.block)); !ok {
			return &invalidity{name: "AncientBirthBlock"}
		}
	}
	if !t.verified || t.birth != birth {
		t.birth, t.verified = birth, e.signatureGood(t, c.genesis, birth)
	}
	if !t.verified {
		return &invalidity{name: "BadProof"}
	}
	if cost := satAdd(t.info.fee(len(t.raw)), t.Tip); cost > 0 && e.balance(t.Signer) < cost {
		return &invalidity{name: "Payment"}
	}
	_, err := e.precheck(t)
	return err
}

// metadataHashWanted reads the mode of CheckMetadataHash.
func metadataHashWanted(v any) bool {
	rec, ok := v.(substrate.Record)
	if !ok {
		return false
	}
	mode, _ := rec.Get("mode")
	m, ok := mode.(substrate.Variant)
	return ok && m.Name == "Enabled"
}

func (e *env) signatureGood(t *transaction, genesis, birth substrate.Hash) bool {
	payload, err := t.Payload(e.rt.meta, substrate.ExtrinsicParams{
		Genesis: genesis, BirthHash: birth, SpecVersion: e.rt.spec, TxVersion: txVersion,
	})
	if err != nil || len(t.Signature) != 64 {
		return false
	}
	switch t.Scheme {
	case "Sr25519":
		return wallet.Verify(t.Signer, payload, [64]byte(t.Signature))
	case "Ed25519":
		return ed25519.Verify(t.Signer[:], payload, t.Signature)
	}
	return false
}

// apply executes a transaction as the next one of a block. An invalidity
// leaves the state alone; a failed call is still part of the block.
func (e *env) apply(t *transaction, c chainView) error {
	if err := e.validate(t, c); err != nil {
		return err
	}
	if !t.Signed {
		e.applyUnsigned(t)
		return nil
	}
	account := e.accountInfo(t.Signer)
	switch {
	case t.Nonce < uint64(account.nonce):
		return &invalidity{name: "Stale"}
	case t.Nonce > uint64(account.nonce):
		return &invalidity{name: "Future"}
	}
	e.inBody = true
	fee := t.info.fee(len(t.raw))
	paid := satAdd(fee, t.Tip)
	if paid > 0 {
		// Validation saw the balance.
		if err := e.withdraw(t.Signer, paid); err != nil {
			return &invalidity{name: "Payment"}
		}
		e.burnTotal(paid)
		e.emit("Balances", "Withdraw", t.Signer, paid)
	}
	account = e.accountInfo(t.Signer)
	account.nonce++
	e.setAccountInfo(t.Signer, account)

	err := e.nested(func(inner *env) error { return inner.dispatch(origin{id: t.Signer}, t.Call) })

	spent := t.info
	if paid > 0 {
		back := uint64(0)
		if err == nil && spent.refunded {
			spent.free, back = true, fee
			e.deposit(t.Signer, back)
			e.mintTotal(back)
		}
		e.emit("Balances", "Deposit", t.Signer, back)
		paid -= back
	}
	e.emit("TransactionPayment", "TransactionFeePaid", t.Signer, paid, t.Tip)
	if err != nil {
		e.emit("System", "ExtrinsicFailed", asDispatchError(err), spent.dispatchInfo())
	} else {
		e.emit("System", "ExtrinsicSuccess", spent.dispatchInfo())
	}
	e.phase++
	return nil
}
