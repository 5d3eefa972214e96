package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/assistant"
	"github.com/maxmos001/bitmind-subnet/api/client"
	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
)

type mcpOptions struct {
	server string
	key    string
	root   string
	models []string
	model  modelFlags
	origin provenanceFlags
}

func newMCPCmd() *cobra.Command {
	var opts mcpOptions
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Let AI assistants ask about pictures (Model Context Protocol)",
		Long: `Mcp speaks the Model Context Protocol on standard input and output, as assistants
start such servers. Its tools are detect (is this picture AI-generated?), explain
(why, where in the picture, what the file says of its origin) and compare (which of
these?). Pictures are named by file, by address, or sent as base64.

Only files in the folder --root are read, no link leads out of it, and addresses in
private networks are not fetched. Detectors run in this program; with --server a
running 'bitmind serve' is asked instead.

An assistant's configuration names the program and its arguments:

  {"mcpServers": {"bitmind": {"command": "bitmind", "args": ["mcp", "--root", "/home/me/Pictures"]}}}`,
		Example: `  bitmind mcp --root ~/Pictures
  BITMIND_KEY=bm_… bitmind mcp --server https://detector.example`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&opts.server, "server", "", "address of a server to ask; default: detectors in this program")
	f.StringVar(&opts.key, "key", "", "API key for --server; better given as BITMIND_KEY, since arguments can be seen by other users")
	f.StringVar(&opts.root, "root", ".", "the only `folder` whose files an assistant may name")
	f.StringSliceVar(&opts.models, "model", nil, "detector: a folder, a file, or one inside the program: "+defaultModels+" (repeatable, the first one decides)")
	opts.model.addRuntimeTo(cmd)
	opts.origin.addTo(cmd)
	return cmd
}

func (o mcpOptions) run(cmd *cobra.Command) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	folder, err := filepath.Abs(o.root) // assistants name files by whole paths too
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return usagef("--root: %w; try: a folder", err)
	}
	defer root.Close()
	ctx, stop := context.WithCancel(cmd.Context())
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	asker, closeAsker, err := o.asker(ctx, log, &background)
	if err != nil {
		return err
	}
	defer func() {
		stop()
		background.Wait()
		err = errors.Join(err, closeAsker())
	}()
	server := assistant.New(assistant.Config{Asker: asker, Root: root, Version: version})
	transport := &mcp.IOTransport{Reader: io.NopCloser(cmd.InOrStdin()), Writer: nopWriteCloser{cmd.OutOrStdout()}}
	if err := server.Run(ctx, transport); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("speaking to the assistant: %w", err)
	}
	return nil
}

// asker gives whoever judges the pictures; it runs in background until ctx ends.
func (o mcpOptions) asker(ctx context.Context, log *slog.Logger, background *sync.WaitGroup) (assistant.Asker, func() error, error) {
	if o.server != "" {
		c, err := client.New(o.server, client.Options{Key: o.key})
		if err != nil {
			return nil, nil, usagef("--server: %w", err)
		}
		return assistant.Remote(c), func() error { return nil }, nil
	}
	fetcher, err := fetch.New(fetch.Config{})
	if err != nil {
		return nil, nil, err
	}
	origin, err := o.origin.reader(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	models, err := openModels(o.models, o.model, log)
	if err != nil {
		return nil, nil, err
	}
	inspector, err := inspect.New(inspect.Config{Models: models, Provenance: origin, Logger: log})
	if err != nil {
		return nil, nil, errors.Join(err, closeModels(models))
	}
	background.Go(func() { inspector.Run(ctx) })
	return assistant.Local(inspector, fetcher), func() error { return closeModels(models) }, nil
}

// nopWriteCloser leaves standard output open: it is the process's.
type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
