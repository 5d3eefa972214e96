package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/provenance"
)

type provenanceOptions struct {
	check provenanceFlags
	json  bool
}

func newProvenanceCmd() *cobra.Command {
	var opts provenanceOptions
	cmd := &cobra.Command{
		Use:   "provenance FILE...",
		Short: "Say what pictures' files tell of their origin",
		Long: `Provenance reads what a picture's file says about where it comes from: its signed
history (C2PA Content Credentials), EXIF, XMP, IPTC, and the parameters that
generators of pictures leave.

Only the signed history can be checked, with a library that scripts/c2pa.sh installs
(16 MB); without it the report says that it was not checked. A signature that holds
says that the signer signed this picture, and --c2pa.trust_list whether the signer is
one to believe. Everything else is a claim: anyone can write it into any picture or
remove it. So none of it is a verdict; that is what bitmind predict gives.

A FILE is a JPEG, PNG, WebP, AVIF, HEIC, TIFF or GIF, or - for standard input.
The place of a GPS position is not shown, only that there is one.

Exit status: 0 done, 1 failed (also when a file could not be read), 2 wrong usage.`,
		Example: `  bitmind provenance photo.jpg
  bitmind provenance --c2pa.trust_list anchors.pem photo.jpg
  bitmind provenance --json *.png | jq -r 'select(any(.claims[]; .says == "generator")) | .file'`,
		Args: positional(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.check.addTo(cmd)
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON object per picture: file and report, or file and error")
	return cmd
}

// provenanceLine is what --json prints of one file.
type provenanceLine struct {
	File  string `json:"file"`
	Error string `json:"error,omitempty"`
	*provenance.Report
}

func (o provenanceOptions) run(cmd *cobra.Command, files []string) error {
	ctx := cmd.Context()
	opts, missing, err := o.check.options(ctx)
	if err != nil {
		return err
	}
	failed, unchecked := 0, false
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		line := provenanceLine{File: file}
		data, err := readPicture(cmd.InOrStdin(), file)
		if err != nil {
			failed++
			line.Error = err.Error()
		} else {
			report := provenance.Read(ctx, data, opts)
			line.Report = &report
			unchecked = unchecked || report.C2PA.Present
		}
		switch {
		case o.json:
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(line)
		case line.Error != "":
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "error: %s: %s\n", printable(file), line.Error)
		default:
			err = printReport(cmd.OutOrStdout(), file, *line.Report)
		}
		if err != nil {
			return err
		}
	}
	if missing != nil && unchecked {
		fmt.Fprintln(cmd.ErrOrStderr(), "note:", missing)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d files could not be read; try: see the errors above", failed, len(files))
	}
	return nil
}

// readPicture reads a file, or standard input for "-", if it is a picture.
func readPicture(stdin io.Reader, file string) (data []byte, err error) {
	if file == "-" {
		data, err = decode.ReadAll(stdin, decode.Limits{})
	} else {
		data, err = decode.ReadFile(file, decode.Limits{})
	}
	var pathError *fs.PathError
	switch {
	case errors.As(err, &pathError):
		return nil, pathError.Err // the file is named in front
	case err != nil && file != "-" && errors.Unwrap(err) != nil:
		return nil, errors.Unwrap(err)
	case err != nil:
		return nil, err
	case provenance.MediaType(data) == "":
		return nil, errors.New("not a JPEG, PNG, WebP, AVIF, HEIC, TIFF or GIF")
	}
	return data, nil
}

// printable quotes a name that a terminal would take for more than text.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// printReport writes a report for people.
func printReport(out io.Writer, file string, r provenance.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s\n", printable(file), r.Summary)
	c := r.C2PA
	if c.Present {
		status := strings.ReplaceAll(string(c.Status), "_", " ")
		if c.Trusted != "" {
			status += ", signer trusted: " + string(c.Trusted)
		}
		fmt.Fprintf(&b, "\n  signed history: %s (%s)\n", status, c.Checker)
		for _, field := range [][2]string{
			{"signed by", c.Signer}, {"certified by", c.Issuer}, {"signed at", c.SignedAt}, {"written by", c.Generator},
			{"came to be as", c.DigitalSourceType}, {"does not hold", strings.Join(c.Errors, ", ")},
		} {
			if field[1] != "" {
				fmt.Fprintf(&b, "    %-14s %s\n", field[0], field[1])
			}
		}
		for _, a := range c.Actions {
			fmt.Fprintf(&b, "    %-14s %s\n", "step", words(a.Action, a.SourceType, a.Software, a.When))
		}
		for _, l := range c.Chain {
			fmt.Fprintf(&b, "    %s%s\n", strings.Repeat("  ", l.Depth), words("- "+l.Title, l.Relation, l.SourceType, l.Generator, l.Signer, l.When, strings.Join(l.Errors, ", ")))
		}
	}
	if len(r.Claims) > 0 {
		b.WriteString("\n  claims:\n")
	}
	for _, claim := range r.Claims {
		fmt.Fprintf(&b, "    %-9s %-9s %s: %s\n", claim.Source, claim.Says, claim.Name, claim.Value)
	}
	if r.Truncated {
		b.WriteString("    and more, which is not shown\n")
	}
	b.WriteByte('\n')
	_, err := io.WriteString(out, b.String())
	return err
}

// words joins what is not empty.
func words(list ...string) string {
	var some []string
	for _, s := range list {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, ", ")
}
