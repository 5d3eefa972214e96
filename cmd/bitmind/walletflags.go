package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// passwordEnv holds the password of keyfiles for unattended use. It is no flag:
// a command line can be seen by every user of the machine.
const passwordEnv = "BITMIND_WALLET_PASSWORD"

// walletFlags name a wallet; every command that needs keys has them.
type walletFlags struct {
	name, hotkey, path string
	passwordFile       string
}

func (f *walletFlags) addTo(cmd *cobra.Command) {
	f.addPath(cmd)
	cmd.Flags().StringVar(&f.name, "wallet.name", wallet.DefaultName, "name of the wallet, which is its coldkey's")
	cmd.Flags().StringVar(&f.hotkey, "wallet.hotkey", wallet.DefaultName, "name of the wallet's hotkey")
	cmd.Flags().StringVar(&f.passwordFile, "wallet.password-file", "",
		"file with the password of encrypted keys (else "+passwordEnv+", else it is asked for)")
}

func (f *walletFlags) addPath(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "wallet.path", wallet.DefaultDir, "folder of all wallets")
}

// open names the wallet; its files are read when a key is asked for.
func (f *walletFlags) open() *wallet.Wallet { return wallet.Open(f.path, f.name, f.hotkey) }

// password gives what Wallet.Coldkey wants: the password from the file, the
// environment or the terminal, in this order.
func (f *walletFlags) password(cmd *cobra.Command, key string) func() (string, error) {
	return func() (string, error) {
		if password, found, err := f.givenPassword(); found || err != nil {
			return password, err
		}
		return promptSecret(cmd, "Password of "+key+": ", "the password of "+key,
			"set "+passwordEnv+" or --wallet.password-file")
	}
}

// newPassword is password for a key that is being written: asked for twice.
func (f *walletFlags) newPassword(cmd *cobra.Command, key string) (string, error) {
	if password, found, err := f.givenPassword(); found || err != nil {
		return password, err
	}
	const instead = "set " + passwordEnv + " or --wallet.password-file, or leave the key unencrypted with --no-password"
	first, err := promptSecret(cmd, "New password for "+key+": ", "a new password for "+key, instead)
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", errors.New("the password is empty; try: several words, or --no-password to leave the key unencrypted")
	}
	again, err := promptSecret(cmd, "The same again: ", "a new password for "+key, instead)
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ; try: again")
	}
	return first, nil
}

// givenPassword takes the password from the file or the environment.
func (f *walletFlags) givenPassword() (password string, found bool, err error) {
	if f.passwordFile != "" {
		data, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return "", false, fmt.Errorf("reading the password: %w", err)
		}
		// Editors end a file with a newline, which is not meant.
		password = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		if password == "" {
			return "", false, fmt.Errorf("the password file %s is empty", f.passwordFile)
		}
		return password, true, nil
	}
	password = os.Getenv(passwordEnv)
	return password, password != "", nil
}

// promptSecret asks on the terminal without echo. what names the thing in the
// error where there is no terminal, instead says what to do then.
func promptSecret(cmd *cobra.Command, prompt, what, instead string) (string, error) {
	in, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		// A message may be coming in on standard input: the terminal itself is
		// asked then, if the process has one.
		var tty *os.File
		err := errors.ErrUnsupported
		if isFile {
			tty, err = os.OpenFile("/dev/tty", os.O_RDWR, 0)
		}
		if err != nil {
			return "", fmt.Errorf("there is no terminal to ask for %s; try: %s", what, instead)
		}
		defer tty.Close()
		in = tty
	}
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	secret, err := readHidden(cmd.Context(), in)
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	return secret, nil
}

// readHidden reads a line without echo. An interrupt gives the terminal its echo
// back and ends the wait; the reading goroutine then lasts until the line or the
// process ends, since a read of a terminal cannot be called off.
func readHidden(ctx context.Context, in *os.File) (string, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type line struct {
		text []byte
		err  error
	}
	done := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		done <- line{text, err}
	}()
	select {
	case l := <-done:
		if errors.Is(l.err, io.EOF) {
			return "", errors.New("the input ended")
		}
		return string(l.text), l.err
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		return "", ctx.Err()
	}
}
