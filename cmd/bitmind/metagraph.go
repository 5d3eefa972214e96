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
	network networkFlags
	json    bool
}

func newMetagraphCmd() *cobra.Command {
	var opts metagraphOptions
	cmd := &cobra.Command{
		Use:   "metagraph",
		Short: "List a subnet's neurons: stake, incentive, trust, address",
		Long: `List a subnet's neurons as the chain has them at its newest block.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind metagraph --netuid 34
  bitmind metagraph --netuid 1 --subtensor.network local --json`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.network.addTo(cmd)
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

type neuronJSON struct {
	UID             uint16  `json:"uid"`
	Hotkey          string  `json:"hotkey"`
	Coldkey         string  `json:"coldkey"`
	Active          bool    `json:"active"`
	ValidatorPermit bool    `json:"validator_permit"`
	StakeRao        uint64  `json:"stake_rao"`
	EmissionRao     uint64  `json:"emission_rao"`
	Rank            float64 `json:"rank"`
	Trust           float64 `json:"trust"`
	ValidatorTrust  float64 `json:"validator_trust"`
	Consensus       float64 `json:"consensus"`
	Incentive       float64 `json:"incentive"`
	Dividends       float64 `json:"dividends"`
	LastUpdate      uint64  `json:"last_update"`
	RegisteredAt    uint64  `json:"registered_at"`
	Serving         bool    `json:"serving"`
	Axon            string  `json:"axon,omitempty"`
}

type metagraphReport struct {
	Netuid  uint16       `json:"netuid"`
	Block   uint64       `json:"block"`
	Source  string       `json:"source"`
	Neurons []neuronJSON `json:"neurons"`
}

func (o metagraphOptions) run(cmd *cobra.Command) error {
	c, err := o.network.dial(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Metagraph(cmd.Context(), o.network.netuid)
	if errors.Is(err, subtensor.ErrNoSubnet) {
		return fmt.Errorf("%w; try: --netuid 34 on finney, 168 on test, 1 on a localnet", err)
	}
	if err != nil {
		return err
	}
	report := metagraphReport{Netuid: m.Netuid, Block: m.Block, Source: m.Source, Neurons: []neuronJSON{}}
	for _, n := range m.Neurons {
		j := neuronJSON{
			UID: n.UID, Hotkey: n.Hotkey.String(), Coldkey: n.Coldkey.String(), Active: n.Active, ValidatorPermit: n.ValidatorPermit,
			StakeRao: n.Stake, EmissionRao: n.Emission, Rank: n.Rank, Trust: n.Trust, ValidatorTrust: n.ValidatorTrust,
			Consensus: n.Consensus, Incentive: n.Incentive, Dividends: n.Dividends,
			LastUpdate: n.LastUpdate, RegisteredAt: n.RegisteredAt, Serving: n.Axon.Serving(),
		}
		if j.Serving {
			j.Axon = n.Axon.Addr()
		}
		report.Neurons = append(report.Neurons, j)
	}
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
