package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/media/provenance"
	"github.com/maxmos001/bitmind-subnet/media/provenance/c2pa"
)

// provenanceFlags say how signed histories are checked.
type provenanceFlags struct {
	library   string
	trustList string
}

func (f *provenanceFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.library, "c2pa.library", "", "C2PA library, libc2pa_c.so (default: $"+c2pa.LibraryEnv+", then where scripts/c2pa.sh puts it)")
	cmd.Flags().StringVar(&f.trustList, "c2pa.trust_list", "", "PEM `file` of the authorities whose signers are trusted")
}

// options makes what reads provenance. Where the library that checks signed
// histories is not there, missing says so and reports do too; it is an error only
// where a library was named.
func (f *provenanceFlags) options(ctx context.Context) (opts provenance.Options, missing, err error) {
	var trustList []byte
	if f.trustList != "" {
		if trustList, err = os.ReadFile(f.trustList); err != nil {
			return opts, nil, fmt.Errorf("--c2pa.trust_list: %w; try: a PEM file of certificates", err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return opts, nil, err
	}
	checker, err := c2pa.Open(ctx, c2pa.Options{
		Command: []string{exe, c2paChild}, LibraryPath: f.library, TrustList: trustList,
	})
	switch {
	case err == nil:
		opts.Checker = checker
		return opts, nil, nil
	case errors.Is(err, c2pa.ErrNotInstalled) && f.library == "" && os.Getenv(c2pa.LibraryEnv) == "":
		return opts, err, nil
	}
	return opts, nil, err
}

// reader makes what services read provenance with. That signed histories are not
// checked is logged.
func (f *provenanceFlags) reader(ctx context.Context, log *slog.Logger) (inspect.Provenance, error) {
	opts, missing, err := f.options(ctx)
	if err != nil {
		return nil, err
	}
	if missing != nil {
		log.Info("signed histories of pictures are not checked", "reason", missing)
	}
	return func(ctx context.Context, data []byte) provenance.Report {
		return provenance.Read(ctx, data, opts)
	}, nil
}

// c2paChild is the hidden command that checks one manifest, see package c2pa.
const c2paChild = "c2pa-check"

func newC2PAChildCmd() *cobra.Command {
	return &cobra.Command{
		Use:    c2paChild,
		Hidden: true,
		Short:  "Check one signed history for another bitmind process",
		Args:   positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c2pa.Child(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
