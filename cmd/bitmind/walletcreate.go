package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// createdKey is what create and regen report; it holds no secret.
type createdKey struct {
	Key       string `json:"key"` // coldkey or hotkey
	Name      string `json:"name"`
	Address   string `json:"address"`
	Path      string `json:"path"`
	Encrypted bool   `json:"encrypted"`
}

// walletSaveOptions are the flags of both create and regen.
type walletSaveOptions struct {
	wallet        walletFlags
	noPassword    bool
	encryptHotkey bool
	overwrite     bool
	json          bool
}

func (o *walletSaveOptions) addTo(cmd *cobra.Command) {
	o.wallet.addTo(cmd)
	cmd.Flags().BoolVar(&o.noPassword, "no-password", false, "leave the coldkey unencrypted: whoever reads the file owns the funds")
	cmd.Flags().BoolVar(&o.encryptHotkey, "encrypt-hotkey", false, "encrypt the hotkey too; a neuron then cannot start unattended")
	cmd.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace a key that is there; without its mnemonic it is lost for good")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON document (the mnemonic is never in it)")
}

// keysArg is the argument of create and regen.
func keysArg(args []string) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	if args[0] != "coldkey" && args[0] != "hotkey" {
		return "", usagef("%q is no kind of key; try: coldkey or hotkey", args[0])
	}
	return args[0], nil
}

// checkFree fails before anything is asked for or written.
func (o walletSaveOptions) checkFree(w *wallet.Wallet, kind string, id ss58.AccountID) error {
	if o.overwrite {
		return nil
	}
	check := w.CheckColdkeyFree
	if kind == "hotkey" {
		check = w.CheckHotkeyFree
	}
	err := check(id)
	if errors.Is(err, wallet.ErrExists) {
		return fmt.Errorf("%w; try: another --wallet.name or --wallet.hotkey, or --overwrite to replace it for good", err)
	}
	return err
}

// needsPassword tells whether a key of this kind is to be encrypted.
func (o walletSaveOptions) needsPassword(kind string) bool {
	if kind == "hotkey" {
		return o.encryptHotkey
	}
	return !o.noPassword
}

func (o walletSaveOptions) save(w *wallet.Wallet, kind, password string, pair *wallet.Keypair) (createdKey, error) {
	opts := wallet.SaveOptions{Overwrite: o.overwrite}
	key := createdKey{Key: kind, Name: w.Name(), Address: pair.Address(), Path: w.ColdkeyPath(), Encrypted: o.needsPassword(kind)}
	if key.Encrypted {
		opts.Password = password
	}
	save := w.SaveColdkey
	if kind == "hotkey" {
		save, key.Name, key.Path = w.SaveHotkey, w.HotkeyName(), w.HotkeyPath()
	}
	return key, save(pair, opts)
}

func (o walletSaveOptions) report(cmd *cobra.Command, w *wallet.Wallet, keys []createdKey) error {
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string]any{"name": w.Name(), "path": w.Dir(), "keys": keys})
	}
	for _, k := range keys {
		state := "not encrypted"
		if k.Encrypted {
			state = "encrypted"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%-7s  %s  %s (%s)\n", k.Key, k.Address, k.Path, state)
	}
	return nil
}

type walletCreateOptions struct {
	walletSaveOptions
	words int
}

func newWalletCreateCmd() *cobra.Command {
	var opts walletCreateOptions
	cmd := &cobra.Command{
		Use:   "create [coldkey|hotkey]",
		Short: "Create a wallet, or only its coldkey or one more hotkey",
		Long: `Create a coldkey and a hotkey, or only the one named. The mnemonics, from which
the keys can be made again, are shown once, on stderr: write them on paper.

The coldkey's password is asked for twice, or taken from --wallet.password-file or
` + passwordEnv + `. A key that is there is never replaced without --overwrite.`,
		Example: `  bitmind wallet create --wallet.name me --wallet.hotkey miner1
  bitmind wallet create hotkey --wallet.name me --wallet.hotkey miner2
  bitmind wallet create --wallet.name dev --no-password --words 24`,
		Args: positional(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.addTo(cmd)
	cmd.Flags().IntVar(&opts.words, "words", 12, "words of each mnemonic: 12, 15, 18, 21 or 24")
	return cmd
}

func (o walletCreateOptions) run(cmd *cobra.Command, args []string) error {
	only, err := keysArg(args)
	if err != nil {
		return err
	}
	kinds := []string{"coldkey", "hotkey"}
	if only != "" {
		kinds = []string{only}
	}
	if o.words < 12 || o.words > 24 || o.words%3 != 0 {
		return usagef("--words %d; try: 12, 15, 18, 21 or 24", o.words)
	}
	w := o.wallet.open()
	asked := ""
	for _, kind := range kinds {
		if err := o.checkFree(w, kind, ss58.AccountID{}); err != nil {
			if only == "" && kind == "coldkey" && errors.Is(err, wallet.ErrExists) {
				return fmt.Errorf("%w (for one more hotkey: bitmind wallet create hotkey)", err)
			}
			return err
		}
		if o.needsPassword(kind) && asked == "" {
			asked = kind
		}
	}
	var password string
	if asked != "" {
		if password, err = o.wallet.newPassword(cmd, "the "+asked+" of wallet "+w.Name()); err != nil {
			return err
		}
	}
	var keys []createdKey
	for _, kind := range kinds {
		mnemonic, err := wallet.NewMnemonic(o.words)
		if err != nil {
			return err
		}
		pair, err := wallet.FromMnemonic(mnemonic)
		if err != nil {
			return err
		}
		key, err := o.save(w, kind, password, pair)
		if err != nil {
			return err
		}
		keys = append(keys, key)
		// Straight after its key is saved, so that no later failure hides it.
		showMnemonic(cmd.ErrOrStderr(), key, mnemonic)
	}
	return o.report(cmd, w, keys)
}

func showMnemonic(w io.Writer, key createdKey, mnemonic string) {
	fmt.Fprintf(w, "\nMnemonic of %s %q, shown only this once:\n\n    %s\n\n", key.Key, key.Name, mnemonic)
	fmt.Fprint(w, "Write the words on paper, in this order, and keep them offline. Whoever has them\n"+
		"has the key, and without them a lost file or password cannot be made good.\n\n")
}

type walletRegenOptions struct {
	walletSaveOptions
	mnemonic, seed, uri string
}

func newWalletRegenCmd() *cobra.Command {
	var opts walletRegenOptions
	cmd := &cobra.Command{
		Use:   "regen coldkey|hotkey",
		Short: "Make a key again from its mnemonic or seed",
		Long: `Make a key again from its mnemonic (12 to 24 words), its 32-byte seed in
hexadecimal (0x…), or a secret URI such as //Alice.

The secret is asked for without echo, or read as one line from standard input. The
flags --mnemonic and --seed-hex take it too, but a command line stays in the
shell's history and can be seen by other users of the machine.`,
		Example: `  bitmind wallet regen coldkey --wallet.name me
  bitmind wallet regen hotkey --wallet.name me --wallet.hotkey miner1 < words.txt
  bitmind wallet regen coldkey --wallet.name alice --uri //Alice --no-password`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.addTo(cmd)
	cmd.Flags().StringVar(&opts.mnemonic, "mnemonic", "", "the words, in quotes (better: at the prompt)")
	cmd.Flags().StringVar(&opts.seed, "seed-hex", "", "the seed, 0x and 64 hexadecimal digits (better: at the prompt)")
	cmd.Flags().StringVar(&opts.uri, "uri", "", "secret URI, for development keys such as //Alice")
	return cmd
}

func (o walletRegenOptions) run(cmd *cobra.Command, args []string) error {
	kind, err := keysArg(args)
	if err != nil {
		return err
	}
	given := 0
	for _, s := range []string{o.mnemonic, o.seed, o.uri} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		return usagef("more than one of --mnemonic, --seed-hex and --uri; try: one of them")
	}
	pair, err := o.keypair(cmd)
	if err != nil {
		return err
	}
	w := o.wallet.open()
	if err := o.checkFree(w, kind, pair.AccountID()); err != nil {
		return err
	}
	var password string
	if o.needsPassword(kind) {
		if password, err = o.wallet.newPassword(cmd, "the "+kind+" of wallet "+w.Name()); err != nil {
			return err
		}
	}
	key, err := o.save(w, kind, password, pair)
	if err != nil {
		return err
	}
	return o.report(cmd, w, []createdKey{key})
}

// keypair takes the secret from the flags, the prompt or standard input.
func (o walletRegenOptions) keypair(cmd *cobra.Command) (*wallet.Keypair, error) {
	if o.mnemonic != "" || o.seed != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: a secret on the command line stays in the shell's history; next time leave the flag out and answer the prompt")
	}
	switch {
	case o.mnemonic != "":
		return wallet.FromMnemonic(o.mnemonic)
	case o.seed != "":
		return fromSecret("0x" + strings.TrimPrefix(o.seed, "0x"))
	case o.uri != "":
		return wallet.FromURI(o.uri)
	}
	secret, err := readSecretLine(cmd)
	if err != nil {
		return nil, err
	}
	return fromSecret(secret)
}

// fromSecret tells a mnemonic, a seed and a secret URI apart.
func fromSecret(secret string) (*wallet.Keypair, error) {
	if strings.Contains(secret, "/") || strings.HasPrefix(secret, "0x") {
		return wallet.FromURI(secret)
	}
	return wallet.FromMnemonic(secret)
}

// maxSecretLine bounds a line with a secret, in bytes: 24 words take at most 215.
const maxSecretLine = 4096

func readSecretLine(cmd *cobra.Command) (string, error) {
	const what = "the mnemonic or seed"
	if in, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		secret, err := promptSecret(cmd, "Mnemonic or 0x seed (not shown): ", what, "pipe it in")
		return strings.TrimSpace(secret), err
	}
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxSecretLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", usagef("standard input holds no mnemonic; try: the words on one line, or run it in a terminal to be asked")
	}
	return line, nil
}
