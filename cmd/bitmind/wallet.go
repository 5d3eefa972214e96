package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/internal/homedir"
)

func newWalletCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wallet",
		Short: "Create and use keys, in the Python wallet's files",
		Long: `A wallet is a coldkey, which owns funds, and hotkeys, which sign for a neuron.
The files are those of the Python wallet (btcli), so both programs can share
~/.bittensor/wallets. Coldkeys are encrypted with a password, hotkeys are plain,
since a neuron must start without anybody there.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind wallet create --wallet.name me --wallet.hotkey miner1
  bitmind wallet list
  bitmind wallet sign "hello" --wallet.name me --wallet.hotkey miner1`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWalletCreateCmd(), newWalletRegenCmd(), newWalletListCmd(), newWalletShowCmd(),
		newWalletSignCmd(), newWalletVerifyCmd(), newWalletTransferCmd())
	return cmd
}

type walletListOptions struct {
	wallet walletFlags
	json   bool
}

func newWalletListCmd() *cobra.Command {
	var opts walletListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the wallets and their hotkeys",
		Example: `  bitmind wallet list
  bitmind wallet list --json --wallet.path /srv/wallets`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.wallet.addPath(cmd)
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o walletListOptions) run(cmd *cobra.Command) error {
	entries, err := wallet.List(o.wallet.path)
	if err != nil {
		return fmt.Errorf("listing the wallets in %s: %w", o.wallet.path, err)
	}
	if o.json {
		if entries == nil {
			entries = []wallet.Entry{}
		}
		path, err := homedir.Expand(o.wallet.path) // as the paths below it are
		if err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), map[string]any{"path": path, "wallets": entries})
	}
	if len(entries) == 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "no wallets in %s; try: bitmind wallet create\n", o.wallet.path)
		return nil
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WALLET\tKEY\tADDRESS\tFILE")
	for _, e := range entries {
		fmt.Fprintf(t, "%s\tcoldkey\t%s\t%s\n", e.Name, addressCell(e.Coldkey), fileCell(e.Coldkey))
		for _, h := range e.Hotkeys {
			fmt.Fprintf(t, "\thotkey %s\t%s\t%s\n", h.Name, addressCell(h), fileCell(h))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, e := range entries {
		warnProblem(cmd, e.Coldkey)
		for _, h := range e.Hotkeys {
			warnProblem(cmd, h)
		}
	}
	return nil
}

type walletShowOptions struct {
	wallet walletFlags
	json   bool
}

func newWalletShowCmd() *cobra.Command {
	var opts walletShowOptions
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show one wallet's addresses and files; no password needed",
		Example: `  bitmind wallet show --wallet.name me --wallet.hotkey miner1
  bitmind wallet show --wallet.name me --json`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.wallet.addTo(cmd)
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o walletShowOptions) run(cmd *cobra.Command) error {
	w := o.wallet.open()
	cold, hot := w.DescribeColdkey(), w.DescribeHotkey()
	if cold.Address == nil && hot.Address == nil {
		// Nothing to show: the coldkey's own error says what is wrong.
		_, err := w.ColdkeyID()
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no wallet %q in %s; try: bitmind wallet list, or bitmind wallet create", w.Name(), o.wallet.path)
		}
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string]any{"name": w.Name(), "path": w.Dir(), "coldkey": cold, "hotkey": hot})
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "wallet   %s\nfolder   %s\n", w.Name(), w.Dir())
	for _, k := range []struct {
		label string
		entry wallet.KeyEntry
	}{{"coldkey", cold}, {"hotkey ", hot}} {
		fmt.Fprintf(out, "%s  %s  %s, %s\n", k.label, addressCell(k.entry), k.entry.Name, fileCell(k.entry))
	}
	warnProblem(cmd, cold)
	warnProblem(cmd, hot)
	return nil
}

func addressCell(k wallet.KeyEntry) string {
	if k.Address == nil {
		return "-"
	}
	return k.Address.String()
}

// fileCell says in a word what the key's file holds.
func fileCell(k wallet.KeyEntry) string {
	switch {
	case !k.Present && k.Address == nil:
		return "missing"
	case !k.Present:
		return "public key only"
	case k.Encryption == wallet.Plain:
		return "not encrypted"
	default:
		return "encrypted (" + string(k.Encryption) + ")"
	}
}

func warnProblem(cmd *cobra.Command, k wallet.KeyEntry) {
	if k.Problem != "" && (k.Present || k.Address != nil) {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", k.Problem)
	}
}

// printJSON writes one indented JSON document.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// parseAddress reads a flag's SS58 address.
func parseAddress(flag, s string) (ss58.AccountID, error) {
	id, err := ss58.Parse(s)
	if err != nil {
		return id, usagef("--%s %q: %w; try: bitmind wallet list", flag, s, err)
	}
	return id, nil
}
