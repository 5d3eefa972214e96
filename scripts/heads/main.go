// Heads trains the small heads that a detector has beside the one for its score, on
// what its frozen layers give, and writes them into its description; the graph's
// file stays as it is.
//
//	go run ./scripts/heads -model models/best kinds DATA...
//	go run ./scripts/heads -model models/best patches DATA
//	go run ./scripts/heads -model models/fast -window 3 windows
//
// kinds is the head that tells photographs from other pictures. It is measured on
// sources that are left out of the training. DATA are labelled folders
// (docs/training.md). Of those whose manifest.tsv has the column kind, pictures of a
// known kind are used, of both labels; of others the real ones, with sources named
// art_* as art and all others as photographs.
//
// patches is the head of the heatmap. Real pictures of DATA's split "train" are
// inpainted, and have parts of AI-generated ones put in; the head learns where.
// "bitmind eval --localise" measures it. windows trains nothing: it says that the
// heatmap is made by asking the detector's own head about windows.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"log"
	"os"
	"path/filepath"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

func main() {
	log.SetFlags(0)
	model := flag.String("model", "models/best", "the detector's `folder`")
	from := flag.Int("from", 4608, "kinds: first column of the features that the head reads")
	to := flag.Int("to", 5376, "kinds: the column behind the last one")
	cache := flag.String("cache", "", "kinds: `file` that keeps the features between runs")
	l2 := flag.Float64("l2", 0.1, "kinds: strength of the regularisation")
	layer := flag.Int("layer", 0, "patches: layer of tokens that the head reads, of those that are pooled")
	grid := flag.Int("grid", 12, "patches, windows: patches each way")
	width := flag.Int("width", 768, "patches: features of a token")
	ridge := flag.Float64("ridge", 0.07, "patches: strength of the regularisation")
	pictures := flag.Int("pictures", 300, "patches: real pictures to change")
	window := flag.Int("window", 3, "windows: side of a window, in patches")
	flag.Parse()
	var err error
	switch {
	case flag.Arg(0) == "kinds" && flag.NArg() > 1:
		err = trainKinds(*model, *from, *to, *cache, *l2, flag.Args()[1:])
	case flag.Arg(0) == "patches" && flag.NArg() == 2:
		err = trainPatches(*model, tokens{*layer, *grid, *width}, *ridge, *pictures, flag.Arg(1))
	case flag.Arg(0) == "windows" && flag.NArg() == 1:
		err = describe(*model, func(d *detector.Description) {
			d.Heatmap = heatmap(d, *grid)
			d.Heatmap.Windows = &detector.HeatmapWindows{Grid: *grid, Side: *window}
		})
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		log.Fatal("error: ", err)
	}
}

// heatmap is one of patches that cover the input.
func heatmap(d *detector.Description, grid int) *detector.HeatmapOutput {
	side, _ := d.Preprocess.Size()
	stride := float64(side) / float64(grid)
	return &detector.HeatmapOutput{Name: "heatmap", First: stride / 2, Stride: stride}
}

// graph is a detector's graph with one more output.
type graph struct {
	description *detector.Description
	session     *ort.Session
	batcher     *ort.Batcher
}

// open loads a detector's graph after extend has added the output.
func open(model string, extend func(graph []byte, logit string) ([]byte, error)) (_ *graph, err error) {
	description, data, err := detector.ReadPath(model)
	if err != nil {
		return nil, err
	}
	if data, err = extend(data, description.Output.Name); err != nil {
		return nil, err
	}
	library, err := ort.Open(ort.Options{})
	if err != nil {
		return nil, err
	}
	session, err := library.NewSession(data, ort.SessionOptions{})
	if err = errors.Join(err, library.Close()); err != nil {
		return nil, err
	}
	width, height := description.Preprocess.Size()
	batcher, err := session.NewBatcher(ort.BatchOptions{Item: []int64{3, int64(height), int64(width)}, Max: 4})
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return &graph{description, session, batcher}, nil
}

func (g *graph) close() error { return errors.Join(g.batcher.Close(), g.session.Close()) }

// run gives what was added for each of n pictures, of the first window of each.
func (g *graph) run(ctx context.Context, n int, picture func(i int) (image.Image, error), take func(i int, added []float32)) error {
	return g.batcher.RunAll(ctx, n,
		func(i int, dst []float32) error {
			if i%100 == 0 {
				log.Printf("%d of %d pictures", i, n)
			}
			img, err := picture(i)
			if err != nil {
				return err
			}
			return g.description.Preprocess.Apply(img, 0, dst)
		},
		func(i int, results [][]float32) { take(i, results[1]) })
}

// describe changes a detector's description.
func describe(model string, change func(d *detector.Description)) error {
	description, _, err := detector.ReadPath(model)
	if err != nil {
		return err
	}
	change(description)
	if err := description.Check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(description, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the description: %w", err)
	}
	return os.WriteFile(filepath.Join(model, detector.DescriptionFile), append(text, '\n'), 0o644)
}
