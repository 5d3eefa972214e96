package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/models"
)

type predictOptions struct {
	model     modelFlags
	json      bool
	heatmap   string
	maxMemory int
}

// Bounds of --max-memory, in MB. At the default the program stays below 300 MB with
// each of the detectors that it has inside, loaded for a few pictures.
const (
	predictMemory    = 110
	predictMemoryMin = 16
	predictMemoryMax = 16_000
)

func newPredictCmd() *cobra.Command {
	var opts predictOptions
	cmd := &cobra.Command{
		Use:   "predict FILE...",
		Short: "Say how likely pictures are AI-generated",
		Long: `Predict gives each picture a score from 0 to 1, above 0.5 meaning AI-generated,
and a verdict: real, ai, or unsure where the score lies in the detector's band
around 0.5 (0.4 to 0.6 unless its description says otherwise).

A FILE is a ` + decode.Formats + ` picture
(of an animation its first frame), a folder, or - for standard input. Of a folder,
every file that is a picture by its first bytes or its name counts, at any depth;
links are followed. A picture that cannot be read, or is of another format, is
reported and the others go on.

A picture may have up to 200 megapixels and 100 MB. One that would take more than
--max-memory to read whole, as a photograph of more than 18 megapixels may, is
read at a half, a quarter or an eighth of its width and height, which changes the
scores of the detectors best and fast by 0.02 at most. It is refused where its shorter
side would keep less than 1024 pixels. The limit does not count the detector: with
one of those inside the program, up to five pictures take less than 300 MB in all.

With --heatmap FILE.png and one picture, the picture is also written with its
parts coloured: red where they raise the score, blue where they lower it, also
those that the score does not depend on. All detectors inside the program judge parts;
of others, those whose description has a heatmap do.

` + libraryHint + `

Exit status: 0 done, 1 failed (also when a picture could not be read), 2 wrong usage.`,
		Example: `  bitmind predict photo.jpg
  bitmind predict --json holiday/ | jq 'select(.verdict == "ai")'
  curl -s https://example.com/picture.png | bitmind predict -`,
		Args: positional(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.model.addTo(cmd)
	cmd.Flags().StringVar(&opts.heatmap, "heatmap", "", "PNG `file` to draw which parts of the picture look AI-generated")
	cmd.Flags().IntVar(&opts.maxMemory, "max-memory", predictMemory, "`MB` that reading a picture may take; larger ones are read at a reduced size")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON object per picture: file, score and verdict, or file and error")
	return cmd
}

// Limits of a batch: pictures that are decoded and wait for each other.
const (
	predictBatch  = 8
	predictPixels = 8_000_000 // 32 MB
)

// predictBrief is up to how many pictures are sooner done by a detector that is
// loaded for a few.
const predictBrief = 5

func (o predictOptions) run(cmd *cobra.Command, args []string) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	if o.maxMemory < predictMemoryMin || o.maxMemory > predictMemoryMax {
		return usagef("--max-memory %d: want %d to %d MB", o.maxMemory, predictMemoryMin, predictMemoryMax)
	}
	files, failures, others := predictFiles(args)
	if o.heatmap != "" && len(files) != 1 {
		return usagef("--heatmap draws one picture, not %d; try: name a single file", len(files))
	}
	o.model.brief, o.model.extras = len(files) <= predictBrief, o.heatmap != ""
	d, err := o.model.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	p := &predictor{
		detector: d, band: d.Info().Verdict, json: o.json,
		limits: decode.Limits{MaxMemory: int64(o.maxMemory) * 1e6, MinSide: decode.DetectorSide},
		stdin:  cmd.InOrStdin(), stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(),
	}
	for _, f := range failures {
		if err := p.report(f); err != nil {
			return err
		}
	}
	if o.heatmap != "" {
		if err := p.draw(cmd.Context(), files[0], o.heatmap); err != nil {
			return err
		}
		files = nil
	}
	for _, file := range files {
		if err := p.add(cmd.Context(), file); err != nil {
			return err
		}
	}
	if err := p.flush(cmd.Context()); err != nil {
		return err
	}
	sayOthers(p.stderr, others)
	if p.failed > 0 {
		return fmt.Errorf("%d of %d pictures could not be scored; try: see the errors above", p.failed, p.failed+p.scored)
	}
	return nil
}

// prediction is what is said about one picture.
type prediction struct {
	File    string  `json:"file"`
	Score   float64 `json:"score"`
	Verdict string  `json:"verdict"`
	// Warnings say what to know of the file, as that it was read at a reduced size.
	Warnings []warning `json:"warnings,omitempty"`
	err      error
}

// warning is decode.Warning in an answer.
type warning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// predictor collects pictures into batches and reports on them in the order in
// which they came.
type predictor struct {
	detector       detector.Detector
	band           detector.Band
	json           bool
	limits         decode.Limits
	stdin          io.Reader
	stdout, stderr io.Writer

	waiting []prediction
	images  []image.Image // of those waiting without an error
	pixels  int

	scored, failed int
}

func (p *predictor) add(ctx context.Context, file string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := p.read(file)
	var img *image.RGBA
	next := prediction{File: file}
	if err == nil {
		// What waits and the next picture share the memory.
		if cost, _ := decode.Cost(data, p.limits); cost+4*int64(p.pixels) > p.limits.MaxMemory {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
		img, next.Warnings, err = p.decode(file, data)
	}
	next.err = err
	p.waiting = append(p.waiting, next)
	if next.err == nil {
		p.images = append(p.images, img)
		p.pixels += img.Rect.Dx() * img.Rect.Dy()
	}
	if len(p.waiting) < predictBatch && p.pixels < predictPixels {
		return nil
	}
	return p.flush(ctx)
}

func (p *predictor) read(file string) ([]byte, error) {
	if file == "-" {
		return decode.ReadAll(p.stdin, p.limits)
	}
	return decode.ReadFile(file, p.limits)
}

func (p *predictor) decode(file string, data []byte) (*image.RGBA, []warning, error) {
	img, info, err := decode.Decode(data, p.limits)
	if err != nil && file == "-" {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("decoding %s: %w", file, err)
	}
	var warnings []warning
	for _, w := range info.Warnings {
		warnings = append(warnings, warning(w))
	}
	return img, warnings, nil
}

// draw scores one picture and writes it with its heatmap.
func (p *predictor) draw(ctx context.Context, file, output string) error {
	data, err := p.read(file)
	if err != nil {
		return p.report(prediction{File: file, err: err})
	}
	img, warnings, err := p.decode(file, data)
	if err != nil {
		return p.report(prediction{File: file, err: err})
	}
	heatmapper, ok := p.detector.(detector.Heatmapper)
	if !ok {
		return noHeatmap(detector.ErrNoHeatmap)
	}
	heatmap, err := heatmapper.Heatmap(ctx, img)
	if errors.Is(err, detector.ErrNoHeatmap) {
		return noHeatmap(err)
	}
	if err != nil {
		return err
	}
	over, err := heatmap.Overlay(img)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := png.Encode(&out, over); err != nil {
		return fmt.Errorf("encoding the heatmap: %w", err)
	}
	if err := renameio.WriteFile(output, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the heatmap: %w", err)
	}
	return p.report(prediction{File: file, Score: heatmap.Score, Verdict: p.band.Verdict(heatmap.Score), Warnings: warnings})
}

func noHeatmap(err error) error {
	return fmt.Errorf("%w; try: --model with one inside the program: %s", err, strings.Join(models.Names(), ", "))
}

// flush scores the pictures that wait.
func (p *predictor) flush(ctx context.Context) error {
	scores, err := p.detector.DetectBatch(ctx, p.images)
	if err != nil {
		return err
	}
	for _, w := range p.waiting {
		if w.err == nil {
			w.Score, scores = scores[0], scores[1:]
			w.Verdict = p.band.Verdict(w.Score)
		}
		if err := p.report(w); err != nil {
			return err
		}
	}
	p.waiting, p.images, p.pixels = nil, nil, 0
	return nil
}

func (p *predictor) report(r prediction) error {
	var line any = r
	if r.err != nil {
		p.failed++
		// The file is named once, in front.
		text := r.err.Error()
		var pathError *fs.PathError
		if errors.As(r.err, &pathError) {
			text = pathError.Err.Error()
		} else if inner := errors.Unwrap(r.err); inner != nil && r.File != "-" {
			text = inner.Error()
		}
		if !p.json {
			_, err := fmt.Fprintf(p.stderr, "error: %s: %s\n", r.File, text)
			return err
		}
		line = struct {
			File  string `json:"file"`
			Error string `json:"error"`
		}{r.File, text}
	} else {
		p.scored++
	}
	if p.json {
		return json.NewEncoder(p.stdout).Encode(line)
	}
	for _, w := range r.Warnings {
		if _, err := fmt.Fprintf(p.stderr, "warning: %s: %s\n", r.File, w.Text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.stdout, "%.4f  %-6s  %s\n", r.Score, r.Verdict, r.File)
	return err
}
