package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

type walletTransferOptions struct {
	network networkFlags
	payer   payerFlags
	to      string
}

func newWalletTransferCmd() *cobra.Command {
	var opts walletTransferOptions
	cmd := &cobra.Command{
		Use:   "transfer TAO",
		Short: "Send TAO from the coldkey's balance to another account",
		Long: `Send TAO from the coldkey's balance to another account. The coldkey keeps what an
account needs to exist: a transfer that would take it is refused.

On a development chain --wallet.uri //Alice pays, and without --to the named
wallet's coldkey is paid: a new wallet gets its first TAO that way.

Exit status: 0 sent, 1 failed, 2 wrong usage.`,
		Example: `  bitmind wallet transfer 1.5 --to 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty --wallet.name me
  bitmind wallet transfer 1000 --subtensor.network local --wallet.uri //Alice --wallet.name me
  bitmind wallet transfer 5 --subtensor.network local --wallet.uri //Alice --to //Bob
  bitmind wallet transfer 1.5 --to 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty --dry-run`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args[0]) },
	}
	opts.network.addNetworkTo(cmd)
	opts.payer.addPayerTo(cmd)
	cmd.Flags().StringVar(&opts.to, "to", "", "SS58 address of the receiver, or a development key such as //Bob (default, with --wallet.uri: the named wallet's coldkey)")
	return cmd
}

type walletTransferReport struct {
	From       string      `json:"from"`
	To         string      `json:"to"`
	AmountRao  uint64      `json:"amount_rao"`
	BalanceRao uint64      `json:"balance_rao"` // what the payer has left
	Receipt    receiptJSON `json:"receipt"`
}

func (o walletTransferOptions) run(cmd *cobra.Command, amount string) error {
	ctx := cmd.Context()
	rao, err := parseTAO(amount)
	if err != nil {
		return err
	}
	if rao == 0 {
		return usagef("the amount is zero; try: 1.5")
	}
	if o.to == "" && o.payer.uri == "" {
		return usagef("nobody to send to; try: --to with an address")
	}
	c, err := o.network.dial(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	from, err := o.payer.payerID(cmd, c)
	if err != nil {
		return err
	}
	to, err := o.receiver(cmd, c)
	if err != nil {
		return err
	}
	call := subtensor.TransferCall(to, rao)
	if o.payer.dryRun {
		return o.payer.printDryRun(cmd, c, from, call)
	}
	balance, err := c.Balance(ctx, from)
	if err != nil {
		return err
	}
	if balance < rao {
		return fmt.Errorf("%s has %s TAO, less than %s; try: %s", from, formatTAO(balance), formatTAO(rao),
			o.payer.fundHint(cmd, c, "a smaller amount"))
	}
	// The question is about what the bytes say, not about what was typed.
	preview, err := c.Preview(ctx, call, from)
	if err != nil {
		return explain(err)
	}
	if err := o.payer.confirm(cmd, c, transferQuestion(preview)); err != nil {
		return err
	}
	signer, err := o.payer.payer(cmd, c)
	if err != nil {
		return err
	}
	receipt, err := c.Transfer(ctx, signer, to, rao)
	if err != nil {
		return explain(err)
	}
	left, err := c.Balance(ctx, from)
	if err != nil {
		return err
	}
	report := walletTransferReport{from.String(), to.String(), rao, left, receiptOf(receipt)}
	if o.payer.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "sent %s TAO from %s to %s, in block %d; %s TAO left\n",
		formatTAO(rao), from, to, receipt.BlockNumber, formatTAO(left))
	return nil
}

// receiver is the account that gets the TAO.
func (o walletTransferOptions) receiver(cmd *cobra.Command, c *subtensor.Client) (ss58.AccountID, error) {
	switch {
	case strings.HasPrefix(o.to, "/"):
		pair, err := devKey(cmd, c, "to", o.to)
		if err != nil {
			return ss58.AccountID{}, err
		}
		return pair.AccountID(), nil
	case o.to != "":
		return parseAddress("to", o.to)
	}
	return o.payer.wallet.open().ColdkeyID()
}

// transferQuestion puts a call that waits for its signature into words.
func transferQuestion(p subtensor.Preview) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.%s by %s", p.Pallet, p.Call, p.Signer)
	for _, a := range p.Args {
		text := a.Text
		if text == "" {
			text = string(a.Value)
		}
		fmt.Fprintf(&b, "\n  %-6s %s", a.Name, text)
	}
	if p.FeeRao != nil {
		fmt.Fprintf(&b, "\n  %-6s %s TAO", "fee", formatTAO(*p.FeeRao))
	}
	return b.String() + "\nSign and send?"
}
