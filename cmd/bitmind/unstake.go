package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

type unstakeOptions struct {
	network networkFlags
	payer   payerFlags
}

func newUnstakeCmd() *cobra.Command {
	var opts unstakeOptions
	cmd := &cobra.Command{
		Use:   "unstake AMOUNT|all",
		Short: "Take stake back from a hotkey; what it sells for goes to the coldkey",
		Long: `Take stake back from a hotkey in a subnet. The amount is in the unit of the stake:
the subnet's alpha, or TAO in subnet 0. It is sold at the pool's price, and the TAO
goes to the coldkey's balance. "all" takes everything that the coldkey has there.

Exit status: 0 unstaked, 1 failed, 2 wrong usage.`,
		Example: `  bitmind unstake 100 --netuid 34 --wallet.name me --wallet.hotkey validator1
  bitmind unstake all --netuid 1 --subtensor.network local --wallet.uri //Alice --hotkey //Bob
  bitmind unstake all --dry-run`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args[0]) },
	}
	opts.network.addTo(cmd)
	opts.payer.addTo(cmd)
	return cmd
}

type unstakeReport struct {
	Netuid      uint16      `json:"netuid"`
	Hotkey      string      `json:"hotkey"`
	Amount      uint64      `json:"amount"` // in the stake's unit, 1e9 to the whole
	ReceivedRao uint64      `json:"received_rao"`
	BalanceRao  uint64      `json:"balance_rao"`
	Left        uint64      `json:"left"` // stake that remains
	Receipt     receiptJSON `json:"receipt"`
}

func (o unstakeOptions) run(cmd *cobra.Command, text string) error {
	ctx, netuid := cmd.Context(), o.network.netuid
	var amount uint64
	if text != "all" {
		var err error
		if amount, err = parseTAO(text); err != nil {
			return err
		}
		if amount == 0 {
			return usagef("the amount is zero; try: 1.5, or all")
		}
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
	staked, err := c.Stake(ctx, hotkey, payer, netuid)
	if err != nil {
		return err
	}
	if text == "all" {
		amount = staked
	}
	if amount > staked || staked == 0 {
		return fmt.Errorf("%s has %s staked on %s in subnet %d, and not %s; try: all, or another --netuid or --hotkey",
			payer, formatTAO(staked), hotkey, netuid, text)
	}
	if o.payer.dryRun {
		call, err := c.RemoveStakeCall(ctx, hotkey, netuid, amount)
		if err != nil {
			return err
		}
		return o.payer.printDryRun(cmd, c, payer, call)
	}
	if err := o.payer.confirm(cmd, c, fmt.Sprintf("Unstake %s of %s from %s in subnet %d?", formatTAO(amount), formatTAO(staked), hotkey, netuid)); err != nil {
		return err
	}
	before, err := c.Balance(ctx, payer)
	if err != nil {
		return err
	}
	signer, err := o.payer.payer(cmd, c)
	if err != nil {
		return err
	}
	receipt, err := c.RemoveStake(ctx, signer, hotkey, netuid, amount)
	if err != nil {
		return explain(err)
	}
	report := unstakeReport{Netuid: netuid, Hotkey: hotkey.String(), Amount: amount, Receipt: receiptOf(receipt)}
	if report.BalanceRao, err = c.Balance(ctx, payer); err != nil {
		return err
	}
	if report.BalanceRao > before { // the fee is off already
		report.ReceivedRao = report.BalanceRao - before
	}
	if report.Left, err = c.Stake(ctx, hotkey, payer, netuid); err != nil {
		return err
	}
	if o.payer.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "unstaked %s from %s in subnet %d for %s TAO, in block %d; the coldkey has %s TAO, and %s staked there\n",
		formatTAO(amount), hotkey, netuid, formatTAO(report.ReceivedRao), receipt.BlockNumber, formatTAO(report.BalanceRao), formatTAO(report.Left))
	return nil
}
