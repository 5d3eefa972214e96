package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// maxMessage bounds a message read for signing or verifying, in bytes.
const maxMessage = 64 << 20

// messageFlags say where a message comes from: the argument, a file, or standard
// input.
type messageFlags struct{ file string }

func (f *messageFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "take the message from this file")
}

// read gives the message's bytes just as they are, a newline at the end included.
func (f messageFlags) read(cmd *cobra.Command, args []string) ([]byte, error) {
	if len(args) == 1 && args[0] != "-" {
		if f.file != "" {
			return nil, usagef("a message and --file; try: one of them")
		}
		return []byte(args[0]), nil
	}
	in, from := cmd.InOrStdin(), "standard input"
	if f.file != "" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, fmt.Errorf("reading the message: %w; try: another --file", err)
		}
		defer file.Close()
		in, from = file, f.file
	}
	msg, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("reading the message from %s: %w", from, err)
	}
	if len(msg) > maxMessage {
		return nil, fmt.Errorf("the message in %s is larger than %d bytes; try: sign its hash", from, maxMessage)
	}
	return msg, nil
}

type walletSignOptions struct {
	wallet  walletFlags
	message messageFlags
	coldkey bool
	json    bool
}

func newWalletSignCmd() *cobra.Command {
	var opts walletSignOptions
	cmd := &cobra.Command{
		Use:   "sign [MESSAGE]",
		Short: "Sign a message with the hotkey or the coldkey",
		Long: `Sign a message and print the signature in hexadecimal. The message is the
argument, the content of --file, or standard input, byte for byte: "echo hello"
adds a newline, "printf hello" does not.

Never sign a text that somebody else made up with a coldkey: it may be a transfer.`,
		Example: `  bitmind wallet sign "hello" --wallet.name me --wallet.hotkey miner1
  bitmind wallet sign --file letter.txt --coldkey --wallet.name me
  printf hello | bitmind wallet sign --json`,
		Args: positional(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.wallet.addTo(cmd)
	opts.message.addTo(cmd)
	cmd.Flags().BoolVar(&opts.coldkey, "coldkey", false, "sign with the coldkey")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o walletSignOptions) run(cmd *cobra.Command, args []string) error {
	msg, err := o.message.read(cmd, args)
	if err != nil {
		return err
	}
	w := o.wallet.open()
	var pair *wallet.Keypair
	if o.coldkey {
		pair, err = w.Coldkey(o.wallet.password(cmd, "the coldkey of wallet "+w.Name()))
	} else {
		pair, err = w.UnlockHotkey(o.wallet.password(cmd, "hotkey "+w.HotkeyName()+" of wallet "+w.Name()))
	}
	if err != nil {
		return err
	}
	sig, err := pair.Sign(msg)
	if err != nil {
		return err
	}
	text := "0x" + hex.EncodeToString(sig[:])
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string]string{"address": pair.Address(), "signature": text})
	}
	fmt.Fprintln(cmd.OutOrStdout(), text)
	return nil
}

type walletVerifyOptions struct {
	message   messageFlags
	address   string
	signature string
	json      bool
}

func newWalletVerifyCmd() *cobra.Command {
	var opts walletVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify [MESSAGE] --address ADDRESS --signature SIGNATURE",
		Short: "Verify a signature",
		Long: `Verify that a signature of a message was made with an address's key. The message is
the argument, the content of --file, or standard input, byte for byte.

Exit status: 0 the signature is valid, 1 it is not, 2 wrong usage.`,
		Example: `  bitmind wallet verify "hello" --address 5Grw… --signature 0x7c…
  bitmind wallet verify --file letter.txt --address 5Grw… --signature 0x7c… --json`,
		Args: positional(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.message.addTo(cmd)
	cmd.Flags().StringVar(&opts.address, "address", "", "address of the key that is said to have signed")
	cmd.Flags().StringVar(&opts.signature, "signature", "", "the signature: 64 bytes in hexadecimal")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o walletVerifyOptions) run(cmd *cobra.Command, args []string) error {
	if o.address == "" || o.signature == "" {
		return usagef("--address and --signature are both needed; try: %s --help", cmd.CommandPath())
	}
	id, err := parseAddress("address", o.address)
	if err != nil {
		return err
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(o.signature, "0x"))
	if err != nil || len(raw) != 64 {
		return usagef("--signature is not 64 bytes in hexadecimal; try: what bitmind wallet sign printed")
	}
	msg, err := o.message.read(cmd, args)
	if err != nil {
		return err
	}
	valid := wallet.Verify(id, msg, [64]byte(raw))
	if o.json {
		if err := printJSON(cmd.OutOrStdout(), map[string]any{"address": id, "valid": valid}); err != nil {
			return err
		}
	} else if valid {
		fmt.Fprintln(cmd.OutOrStdout(), "valid: signed by", id)
	}
	if !valid {
		return errors.New("the signature is not valid for this address and message; try: compare the message byte for byte, a newline at its end included")
	}
	return nil
}
