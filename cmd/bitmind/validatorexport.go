package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

type validatorExportOptions struct {
	last   int
	hotkey string
}

func newValidatorExportCmd() *cobra.Command {
	var o validatorExportOptions
	cmd := &cobra.Command{
		Use:   "export STATE",
		Short: "Write a validator's challenges and answers as JSON lines",
		Long: `Writes the records of a validator to standard output, a challenge with all answers
on each line, oldest first: the form to publish them in, and what bitmind miner eval
reads. STATE is the validator's state folder, its database, or a postgres:// URL. The
validator may be running.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind validator export ~/.bitmind/me/default/netuid168/validator > results.jsonl
  bitmind validator export results.db --last 1000 | gzip > latest.jsonl.gz`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.IntVar(&o.last, "last", 0, "only the newest challenges (0: all that are kept)")
	f.StringVar(&o.hotkey, "hotkey", "", "address of the validator, where a database holds several")
	return cmd
}

func (o validatorExportOptions) run(cmd *cobra.Command, state string) (err error) {
	if o.last < 0 {
		return usagef("--last %d; try: 0 for all challenges", o.last)
	}
	var hotkey ss58.AccountID
	if o.hotkey != "" {
		if hotkey, err = ss58.Parse(o.hotkey); err != nil {
			return usagef("--hotkey %s: %w; try: an address such as 5F…", o.hotkey, err)
		}
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	s, err := openResults(cmd.Context(), state, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	books, err := s.Books(cmd.Context())
	if err != nil {
		return err
	}
	var chosen []*store.Book
	for _, b := range books {
		if hotkey.IsZero() || b.Hotkey == hotkey {
			chosen = append(chosen, b)
		}
	}
	switch {
	case len(chosen) == 0:
		return fmt.Errorf("%s holds no challenges of this validator; try: the state folder of one that has run", s)
	case len(chosen) > 1:
		return usagef("%s holds the challenges of %d validators; try: --hotkey %s", s, len(chosen), chosen[0].Hotkey)
	}
	return store.WriteReports(cmd.OutOrStdout(), chosen[0].Newest(cmd.Context(), o.last))
}

// openResults opens a validator's database, named by its state folder, its file or
// a URL. A file that does not exist is not made.
func openResults(ctx context.Context, state string, log *slog.Logger) (*store.Store, error) {
	info, err := os.Stat(state)
	if err == nil && info.IsDir() {
		state = filepath.Join(state, validator.ResultsName)
		_, err = os.Stat(state)
	}
	if err != nil && !isURL(state) {
		return nil, fmt.Errorf("opening the records: %w; try: the folder of a validator's state", err)
	}
	return openStore(ctx, state, log)
}
