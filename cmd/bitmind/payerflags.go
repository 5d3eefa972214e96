package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// payerFlags say who pays and for which hotkey.
type payerFlags struct {
	wallet walletFlags
	uri    string
	target string
	dryRun bool
	yes    bool
	json   bool
}

func (f *payerFlags) addTo(cmd *cobra.Command) {
	f.addPayerTo(cmd)
	cmd.Flags().StringVar(&f.target, "hotkey", "", "SS58 address of the hotkey, or a development key such as //Bob (default: the wallet's hotkey; with --wallet.uri and no wallet named, that key itself)")
}

// addPayerTo is for commands that are about no hotkey.
func (f *payerFlags) addPayerTo(cmd *cobra.Command) {
	f.wallet.addTo(cmd)
	cmd.Flags().StringVar(&f.uri, "wallet.uri", "", "a development key that pays in place of the wallet's coldkey, such as //Alice; for development chains only")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the decoded call and send nothing")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask before paying")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON document")
}

// devKey makes a key from a URI, which anybody can do: only a chain for development may
// see it.
func devKey(cmd *cobra.Command, c *subtensor.Client, flag, uri string) (*wallet.Keypair, error) {
	pair, err := wallet.FromURI(uri)
	if err != nil {
		return nil, usagef("--%s: %w; try: //Alice", flag, err)
	}
	dev, err := c.Development(cmd.Context())
	if err != nil {
		return nil, fmt.Errorf("asking what kind of chain this is: %w", err)
	}
	if !dev {
		return nil, usagef("--%s: everybody knows the key %s, and %s is no development chain; try: --wallet.name, or --subtensor.network local", flag, uri, c.Chain().URL())
	}
	return pair, nil
}

// hotkeyID is the hotkey that the command is about.
func (f *payerFlags) hotkeyID(cmd *cobra.Command, c *subtensor.Client) (ss58.AccountID, error) {
	switch {
	case strings.HasPrefix(f.target, "/"):
		pair, err := devKey(cmd, c, "hotkey", f.target)
		if err != nil {
			return ss58.AccountID{}, err
		}
		return pair.AccountID(), nil
	case f.target != "":
		return parseAddress("hotkey", f.target)
	case f.uri != "" && !cmd.Flags().Changed("wallet.name") && !cmd.Flags().Changed("wallet.hotkey"):
		pair, err := devKey(cmd, c, "wallet.uri", f.uri)
		if err != nil {
			return ss58.AccountID{}, err
		}
		return pair.AccountID(), nil
	}
	// A wallet that is named says whose hotkey it is, whoever pays.
	return f.wallet.open().HotkeyID()
}

// payerID is the coldkey's address; it needs no password.
func (f *payerFlags) payerID(cmd *cobra.Command, c *subtensor.Client) (ss58.AccountID, error) {
	if f.uri != "" {
		pair, err := devKey(cmd, c, "wallet.uri", f.uri)
		if err != nil {
			return ss58.AccountID{}, err
		}
		return pair.AccountID(), nil
	}
	return f.wallet.open().ColdkeyID()
}

// payer is the coldkey itself.
func (f *payerFlags) payer(cmd *cobra.Command, c *subtensor.Client) (subtensor.Signer, error) {
	if f.uri != "" {
		return devKey(cmd, c, "wallet.uri", f.uri)
	}
	w := f.wallet.open()
	return w.Coldkey(f.wallet.password(cmd, "coldkey "+w.Name()))
}

// fundHint says how a coldkey that cannot pay gets to be paid for.
func (f *payerFlags) fundHint(cmd *cobra.Command, c *subtensor.Client, otherwise string) string {
	dev, err := c.Development(cmd.Context())
	if err != nil || !dev || f.uri != "" {
		return otherwise
	}
	return "the same with --wallet.uri //Alice, who is rich on a development chain"
}

// confirm asks before real money is spent. Development chains have none.
func (f *payerFlags) confirm(cmd *cobra.Command, c *subtensor.Client, question string) error {
	if f.yes {
		return nil
	}
	dev, err := c.Development(cmd.Context())
	if err != nil || dev {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
		return nil
	}
	return errors.New("not confirmed, nothing was sent; try: --yes")
}

// dryRunReport is what --dry-run --json prints.
type dryRunReport struct {
	DryRun bool           `json:"dry_run"`
	Call   substrate.Call `json:"call"`
	subtensor.Preview
}

// printDryRun shows what would be signed, as the chain would decode it. It needs no key.
func (f *payerFlags) printDryRun(cmd *cobra.Command, c *subtensor.Client, signer ss58.AccountID, call substrate.Call) error {
	p, err := c.Preview(cmd.Context(), call, signer)
	if err != nil {
		return err
	}
	if f.json {
		decoded := substrate.Call{Pallet: p.Pallet, Name: p.Call, Args: substrate.Record{}}
		for _, a := range p.Args {
			decoded.Args = append(decoded.Args, substrate.Entry{Name: a.Name, Value: a.Value})
		}
		return printJSON(cmd.OutOrStdout(), dryRunReport{true, decoded, p})
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "call     %s.%s\n", p.Pallet, p.Call)
	for _, a := range p.Args {
		text := string(a.Value)
		if a.Text != "" {
			text += " (" + a.Text + ")"
		}
		fmt.Fprintf(out, "         %s: %s\n", a.Name, text)
	}
	valid := "for ever"
	if p.ValidTo != 0 {
		valid = fmt.Sprintf("in blocks %d to %d", p.ValidFrom, p.ValidTo)
	}
	fee := "not told by the node"
	if p.FeeRao != nil {
		fee = formatTAO(*p.FeeRao) + " TAO"
	}
	fmt.Fprintf(out, "signer   %s\nnonce    %d\nvalid    %s, %s\ntip      %s TAO\nfee      %s\nchain    %s, runtime %d, genesis %s\nbytes    %s\nnothing was signed or sent\n",
		p.Signer, p.Nonce, valid, p.Era, formatTAO(p.TipRao), fee, p.URL, p.SpecVersion, p.Genesis, p.CallHex)
	return nil
}
