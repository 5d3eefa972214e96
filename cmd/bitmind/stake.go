package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

type stakeOptions struct {
	network networkFlags
	payer   payerFlags
}

func newStakeCmd() *cobra.Command {
	var opts stakeOptions
	cmd := &cobra.Command{
		Use:   "stake TAO",
		Short: "Move TAO from the coldkey to a hotkey's stake in a subnet",
		Long: `Move TAO from the coldkey's balance to a hotkey's stake in a subnet. A validator
needs stake: its weights count by it, and without a minimum they are refused.

On a development chain, where a new coldkey has nothing, --wallet.uri //Alice pays.

Exit status: 0 staked, 1 failed, 2 wrong usage.`,
		Example: `  bitmind stake 100 --netuid 34 --wallet.name me --wallet.hotkey validator1
  bitmind stake 1000 --netuid 1 --subtensor.network local --wallet.name me --wallet.uri //Alice
  bitmind stake 2.5 --netuid 1 --subtensor.network local --wallet.uri //Alice --hotkey //Bob
  bitmind stake 100 --dry-run`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args[0]) },
	}
	opts.network.addTo(cmd)
	opts.payer.addTo(cmd)
	return cmd
}

type stakeReport struct {
	Netuid     uint16      `json:"netuid"`
	Hotkey     string      `json:"hotkey"`
	AmountRao  uint64      `json:"amount_rao"`
	BalanceRao uint64      `json:"balance_rao"` // what the coldkey has left
	Receipt    receiptJSON `json:"receipt"`
}

func (o stakeOptions) run(cmd *cobra.Command, amount string) error {
	ctx := cmd.Context()
	rao, err := parseTAO(amount)
	if err != nil {
		return err
	}
	if rao == 0 {
		return usagef("the amount is zero; try: 1.5")
	}
	c, err := o.network.dial(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	hotkey, err := o.payer.hotkeyID(cmd, c)
	if err != nil {
		return err
	}
	payer, err := o.payer.payerID(cmd, c)
	if err != nil {
		return err
	}
	if o.payer.dryRun {
		call, err := c.AddStakeCall(ctx, hotkey, o.network.netuid, rao)
		if err != nil {
			return err
		}
		return o.payer.printDryRun(cmd, c, payer, call)
	}
	question := fmt.Sprintf("Stake %s TAO on %s in subnet %d?", formatTAO(rao), hotkey, o.network.netuid)
	if err := o.payer.confirm(cmd, c, question); err != nil {
		return err
	}
	balance, err := c.Balance(ctx, payer)
	if err != nil {
		return err
	}
	if balance < rao {
		return fmt.Errorf("the coldkey %s has %s TAO, less than %s; try: %s", payer, formatTAO(balance), formatTAO(rao),
			o.payer.fundHint(cmd, c, "a smaller amount, or fund the coldkey"))
	}
	signer, err := o.payer.payer(cmd, c)
	if err != nil {
		return err
	}
	receipt, err := c.AddStake(ctx, signer, hotkey, o.network.netuid, rao)
	if err != nil {
		return explain(err)
	}
	left, err := c.Balance(ctx, payer)
	if err != nil {
		return err
	}
	report := stakeReport{o.network.netuid, hotkey.String(), rao, left, receiptOf(receipt)}
	if o.payer.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "staked %s TAO on %s in subnet %d, in block %d; the coldkey has %s TAO left\n",
		formatTAO(rao), hotkey, o.network.netuid, receipt.BlockNumber, formatTAO(left))
	return nil
}
