package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

type metagraphOptions struct {
	network    networkFlags
	block      uint64
	json, full bool
}

func newMetagraphCmd() *cobra.Command {
	var opts metagraphOptions
	cmd := &cobra.Command{
		Use:   "metagraph",
		Short: "List a subnet's neurons: stake, incentive, trust, address",
		Long: `List a subnet's neurons as the chain has them at its newest block.

The JSON holds everything that the chain's metagraph has: amounts in rao, shares
from 0 to 1, and the subnet's rules, pool and emissions as the chain's own numbers.
With --full it adds each neuron's rows of weights and bonds, [uid, value] with
values of 65535, and the subnet's mechanisms.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind metagraph --netuid 34
  bitmind metagraph --netuid 1 --subtensor.network local --json
  bitmind metagraph --netuid 1 --subtensor.network local --block 120 --json --full`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.network.addTo(cmd)
	cmd.Flags().Uint64Var(&opts.block, "block", 0, "block to read at, which the node must still know; 0: the newest")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&opts.full, "full", false, "add weights, bonds and mechanisms to the JSON")
	return cmd
}

func (o metagraphOptions) run(cmd *cobra.Command) error {
	if o.full && !o.json {
		return usagef("--full is for --json: the table has no room for rows; try: --json --full")
	}
	c, err := o.network.dial(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.MetagraphWith(cmd.Context(), o.network.netuid, subtensor.MetagraphOptions{Block: o.block, Full: o.full})
	if errors.Is(err, subtensor.ErrNoSubnet) {
		return fmt.Errorf("%w; try: --netuid 34 on finney, 168 on test, 1 on a localnet", err)
	}
	if err != nil {
		return err
	}
	report := newMetagraphReport(m, o.full)
	if o.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	t := table.NewWriter()
	t.SetOutputMirror(cmd.OutOrStdout())
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{"uid", "hotkey", "stake", "incentive", "dividends", "trust", "vtrust", "consensus", "emission", "permit", "updated", "axon"})
	var right []table.ColumnConfig
	for _, i := range []int{1, 3, 4, 5, 6, 7, 8, 9, 11} {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for _, n := range report.Neurons {
		permit, axon, updated := "", "-", "-"
		if n.ValidatorPermit {
			permit = "yes"
		}
		if n.Serving {
			axon = n.Axon
		}
		if m.Block >= n.LastUpdate {
			updated = strconv.FormatUint(m.Block-n.LastUpdate, 10)
		}
		t.AppendRow(table.Row{n.UID, n.Hotkey, amountCell(n.StakeRao), shareCell(n.Incentive), shareCell(n.Dividends), shareCell(n.Trust),
			shareCell(n.ValidatorTrust), shareCell(n.Consensus), amountCell(n.EmissionRao), permit, updated, axon})
	}
	if len(report.Neurons) > 0 {
		t.Render()
	}
	fmt.Fprintf(cmd.OutOrStdout(), "subnet %d at block %d: %d neurons; stake and emission in TAO or alpha, updated in blocks ago\n", m.Netuid, m.Block, len(m.Neurons))
	return nil
}

// shareCell writes a share of one to the chain's own precision, about 1/65535.
func shareCell(v float64) string { return strconv.FormatFloat(v, 'f', 5, 64) }

// amountCell writes an amount to a hundredth of a TAO: full amounts are in the JSON.
func amountCell(rao uint64) string {
	return strconv.FormatFloat(float64(rao)/subtensor.RaoPerTAO, 'f', 2, 64)
}
