package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/client"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// defaultServer is where bitmind serve and bitmind localnet listen.
const defaultServer = "http://127.0.0.1:8080"

type detectOptions struct {
	server     string
	key        string
	models     []string
	heatmap    string
	quick      bool
	retain     bool
	externalID string
	parallel   int
	json       bool
}

func newDetectCmd() *cobra.Command {
	var opts detectOptions
	cmd := &cobra.Command{
		Use:   "detect FILE|URL...",
		Short: "Ask a running server whether pictures are AI-generated",
		Long: `Detect asks a server, started by 'bitmind serve', 'bitmind localnet' or
'bitmind validator --listen', about pictures: files, folders (the pictures in them),
- for standard input, or http and https addresses, which the server fetches itself.

It prints score, verdict and how sure it is. With --json it prints the server's whole
answer, one document a line. A server that is busy is asked again.

A key, where the server wants one, is best given in the environment: BITMIND_KEY.
'bitmind predict' does the same on this machine without a server.

Exit status: 0 done, 1 failed (also when a picture could not be judged), 2 wrong usage.`,
		Example: `  bitmind serve &
  bitmind detect photo.jpg holiday/
  bitmind detect --heatmap where.png photo.jpg
  BITMIND_KEY=bm_… bitmind detect --server https://detector.example --json https://example.com/a.jpg`,
		Args: positional(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&opts.server, "server", defaultServer, "address of the server")
	f.StringVar(&opts.key, "key", "", "API key; better given as BITMIND_KEY, since arguments can be seen by other users")
	f.StringArrayVar(&opts.models, "model", nil, "detector to ask, of those that the server has (repeatable; the first decides)")
	f.StringVar(&opts.heatmap, "heatmap", "", "PNG `file` for where one picture looks AI-generated")
	f.BoolVar(&opts.quick, "quick", false, "leave out the scores of a smaller and a compressed copy")
	f.BoolVar(&opts.retain, "retain", false, "have the server keep the picture and the whole answer")
	f.StringVar(&opts.externalID, "external-id", "", "your own name for the pictures in the server's list")
	f.IntVar(&opts.parallel, "parallel", 2, "pictures asked about at a time, up to 64")
	f.BoolVar(&opts.json, "json", false, "print the server's answers, or file and error, one JSON document a line")
	return cmd
}

// maxParallel bounds --parallel.
const maxParallel = 64

func (o detectOptions) run(cmd *cobra.Command, args []string) error {
	c, err := client.New(o.server, client.Options{Key: o.key})
	if err != nil {
		return usagef("--server: %w", err)
	}
	if o.parallel < 1 || o.parallel > maxParallel {
		return usagef("--parallel %d; try: 1 to %d", o.parallel, maxParallel)
	}
	pictures, failures, others := pictureArgs(args)
	if o.heatmap != "" && len(pictures) != 1 {
		return usagef("--heatmap draws one picture, not %d; try: name a single file", len(pictures))
	}
	r := &detectReport{json: o.json, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	for _, f := range failures {
		if err := r.add(f); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	// Answers come in the order of the arguments, whichever is there first.
	waiting := make(chan chan detected, o.parallel-1)
	go func() {
		defer close(waiting)
		for _, name := range pictures {
			answer := make(chan detected, 1)
			select {
			case waiting <- answer:
			case <-ctx.Done():
				return
			}
			go func() { answer <- o.ask(ctx, c, name, cmd.InOrStdin()) }()
		}
	}()
	for answer := range waiting {
		got := <-answer
		if ctx.Err() != nil {
			break
		}
		if err := r.add(got); err != nil {
			return err
		}
	}
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	sayOthers(cmd.ErrOrStderr(), others)
	if r.failed > 0 {
		return fmt.Errorf("%d of %d pictures could not be judged; try: see the errors above", r.failed, r.failed+r.judged)
	}
	return nil
}

// pictureArgs replaces folders by the pictures in them, and counts what else is
// there; addresses stay as they are.
func pictureArgs(args []string) (pictures []string, failures []detected, others int) {
	for _, arg := range args {
		if isAddress(arg) {
			pictures = append(pictures, arg)
			continue
		}
		files, failed, rest := predictFiles([]string{arg})
		others += rest
		pictures = append(pictures, files...)
		for _, f := range failed {
			failures = append(failures, detected{name: f.File, err: f.err})
		}
	}
	return pictures, failures, others
}

func isAddress(arg string) bool {
	return strings.HasPrefix(arg, "http://") || strings.HasPrefix(arg, "https://")
}

// detected is what came of one picture.
type detected struct {
	name   string
	answer *schema.Detection
	err    error
}

func (o detectOptions) ask(ctx context.Context, c *client.Client, name string, stdin io.Reader) detected {
	opts := schema.Options{Models: o.models, Heatmap: o.heatmap != "", Retain: o.retain, ExternalID: o.externalID}
	if o.quick {
		no := false
		opts.Robustness = &no
	}
	d := detected{name: name}
	switch {
	case isAddress(name):
		d.answer, d.err = c.DetectURL(ctx, name, opts)
	default:
		var data []byte
		if name == "-" {
			data, d.err = decode.ReadAll(stdin, decode.Limits{})
		} else {
			data, d.err = decode.ReadFile(name, decode.Limits{})
		}
		if d.err == nil {
			d.answer, d.err = c.Detect(ctx, data, opts)
		}
	}
	if d.err == nil && o.heatmap != "" {
		d.err = o.writeHeatmap(ctx, c, d.answer)
	}
	return d
}

func (o detectOptions) writeHeatmap(ctx context.Context, c *client.Client, d *schema.Detection) error {
	data, err := c.Heatmap(ctx, d)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(o.heatmap, data, 0o644); err != nil {
		return fmt.Errorf("writing the heatmap: %w; try: a file in a folder that you can write to, not in %s", err, filepath.Dir(o.heatmap))
	}
	return nil
}

// detectReport prints what came of each picture.
type detectReport struct {
	json           bool
	stdout, stderr io.Writer
	judged, failed int
}

func (r *detectReport) add(d detected) error {
	if d.err != nil {
		r.failed++
		var path *os.PathError
		text := d.err.Error()
		if errors.As(d.err, &path) {
			text = path.Err.Error()
		}
		if !r.json {
			_, err := fmt.Fprintf(r.stderr, "error: %s: %s\n", printable(d.name), text)
			return err
		}
		return json.NewEncoder(r.stdout).Encode(struct {
			File  string `json:"file"`
			Error string `json:"error"`
		}{d.name, text})
	}
	r.judged++
	if r.json {
		return json.NewEncoder(r.stdout).Encode(struct {
			File string `json:"file"`
			*schema.Detection
		}{d.name, d.answer})
	}
	_, err := fmt.Fprintf(r.stdout, "%.4f  %-6s  %s  (%s)\n", *d.answer.Score, d.answer.Verdict, printable(d.name), d.answer.Confidence)
	return err
}
