// Command bitmind is a Bittensor subnet for detecting AI-generated images:
// development chain, miner, validator, wallet and detector in one program.
//
// Exit status: 0 done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set at link time by the Makefile.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the handler is removed, so a second one ends a
	// shutdown that hangs.
	context.AfterFunc(ctx, stop)
	os.Exit(Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Main runs the program as a process would, and returns its exit status. Tests
// call it in place of starting a process.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(stderr, "interrupted")
		return 1
	}
	fmt.Fprintln(stderr, "error:", strings.ReplaceAll(err.Error(), "\n", "; "))
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError marks an error that the caller of the command made: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef reports wrong usage: a bad flag value or argument. The text says what
// to write instead.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// positional makes cobra's argument checks report wrong usage.
func positional(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w; try: %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "bitmind",
		Short: "A Bittensor subnet that detects AI-generated images",
		Long: `bitmind runs a Bittensor subnet for detecting AI-generated images: a development
chain, miners, validators, wallets and detectors in one program.

Every flag can also be set by the environment (BITMIND_ and the flag's name in
capitals, dots and dashes as underscores: BITMIND_WALLET_NAME) or in a YAML file
given by --config. A flag wins over the environment, the environment over the file.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind localnet                 # a whole subnet on this machine
  bitmind predict photo.jpg        # is this picture AI-generated?
  bitmind wallet create --wallet.name me`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return applySettings(cmd)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; try: bitmind --help", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usagef("%w; try: %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().String("config", "", "YAML file of settings, keyed by flag name")
	root.PersistentFlags().String("log.level", "info", "log level: debug, info, warn or error")
	root.PersistentFlags().String("log.format", "text", "log format on stderr: text or json")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(commands()...)
	return root
}
