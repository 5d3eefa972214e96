package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

type registerOptions struct {
	network networkFlags
	payer   payerFlags
}

func newRegisterCmd() *cobra.Command {
	var opts registerOptions
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Register a hotkey in a subnet; the coldkey pays",
		Long: `Register a hotkey in a subnet, so that it can mine or validate there. The coldkey
pays the subnet's current price, which is burned. A hotkey that is registered
already is left as it is.

On a development chain, where a new coldkey has nothing, --wallet.uri //Alice pays.

Exit status: 0 registered, 1 failed, 2 wrong usage.`,
		Example: `  bitmind register --netuid 34 --wallet.name me --wallet.hotkey miner1
  bitmind register --netuid 1 --subtensor.network local --wallet.name me --wallet.uri //Alice
  bitmind register --netuid 1 --subtensor.network local --wallet.uri //Alice --hotkey //Bob
  bitmind register --netuid 34 --dry-run --json`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.network.addTo(cmd)
	opts.payer.addTo(cmd)
	return cmd
}

type registerReport struct {
	Netuid     uint16       `json:"netuid"`
	Hotkey     string       `json:"hotkey"`
	UID        uint16       `json:"uid"`
	Registered string       `json:"registered"` // "now" or "before"
	CostRao    uint64       `json:"cost_rao,omitempty"`
	Receipt    *receiptJSON `json:"receipt,omitempty"`
}

func (o registerOptions) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	c, err := o.network.dial(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	netuid := o.network.netuid
	hotkey, err := o.payer.hotkeyID(cmd, c)
	if err != nil {
		return err
	}
	payer, err := o.payer.payerID(cmd, c)
	if err != nil {
		return err
	}
	if o.payer.dryRun {
		return o.payer.printDryRun(cmd, c, payer, subtensor.BurnedRegisterCall(netuid, hotkey))
	}
	exists, err := c.SubnetExists(ctx, netuid)
	if err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("%s has no subnet %d; try: --netuid 34 on finney, 168 on test, 1 on a localnet", c.Chain().URL(), netuid)
	}
	report := registerReport{Netuid: netuid, Hotkey: hotkey.String(), Registered: "before"}
	uid, registered, err := c.UID(ctx, netuid, hotkey)
	if err != nil {
		return err
	}
	if !registered {
		if report.CostRao, err = c.BurnCost(ctx, netuid); err != nil {
			return err
		}
		balance, err := c.Balance(ctx, payer)
		if err != nil {
			return err
		}
		if balance < report.CostRao {
			return fmt.Errorf("registration in subnet %d costs %s TAO and the coldkey %s has %s; try: %s",
				netuid, formatTAO(report.CostRao), payer, formatTAO(balance),
				o.payer.fundHint(cmd, c, "fund the coldkey, or wait for a lower price"))
		}
		question := fmt.Sprintf("Register %s in subnet %d for %s TAO?", hotkey, netuid, formatTAO(report.CostRao))
		if err := o.payer.confirm(cmd, c, question); err != nil {
			return err
		}
		signer, err := o.payer.payer(cmd, c)
		if err != nil {
			return err
		}
		receipt, err := c.BurnedRegister(ctx, signer, netuid, hotkey)
		if err != nil {
			return explain(err)
		}
		if uid, registered, err = c.UID(ctx, netuid, hotkey); err != nil {
			return err
		}
		if !registered {
			return errors.New("the chain took the registration and does not list the hotkey; try: bitmind metagraph")
		}
		report.Registered = "now"
		r := receiptOf(receipt)
		report.Receipt = &r
	}
	report.UID = uid
	if o.payer.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	if report.Receipt == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s was registered in subnet %d before, with uid %d\n", hotkey, netuid, uid)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "registered %s in subnet %d with uid %d for %s TAO, in block %d\n",
		hotkey, netuid, uid, formatTAO(report.CostRao), report.Receipt.BlockNumber)
	return nil
}
