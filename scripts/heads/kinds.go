package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/kinds"
	"github.com/maxmos001/bitmind-subnet/ml/locate"
)

var labels = []string{detector.Photograph, detector.Art, detector.Render, detector.Screenshot, detector.Graphic}

// kindOf gives the label of a manifest's kind.
var kindOf = map[string]string{
	"photo":    detector.Photograph,
	"painting": detector.Art, "drawing": detector.Art, "comic": detector.Art, "anime": detector.Art, "digital-art": detector.Art,
	"render3d":   detector.Render,
	"screenshot": detector.Screenshot, "document": detector.Screenshot,
	"vector": detector.Graphic, "pixel-art": detector.Graphic,
}

const (
	perSource = 10   // pictures: a large source tells little more
	folds     = 4    // of whole sources
	alarms    = 0.05 // photographs that may be taken for something else
)

type picture struct {
	Path, Source, Kind string
}

// trainKinds trains the head for kinds and writes it into the description.
func trainKinds(model string, from, to int, cache string, l2 float64, data []string) error {
	var pictures []picture
	for _, dir := range data {
		found, err := list(dir)
		if err != nil {
			return err
		}
		pictures = append(pictures, found...)
	}
	examples, err := features(model, from, to, cache, pictures)
	if err != nil {
		return err
	}
	least, err := measure(examples, l2)
	if err != nil {
		return err
	}
	head, err := kinds.Train(examples, kinds.Options{Labels: labels, L2: l2})
	if err != nil {
		return err
	}
	return describe(model, func(d *detector.Description) {
		d.Kinds = &detector.Kinds{Labels: labels, From: from, To: to, Weights: head.Weights, Bias: head.Bias, Least: least}
	})
}

// list gives a folder's pictures of known kind.
func list(dir string) ([]picture, error) {
	f, err := os.Open(filepath.Join(dir, "manifest.tsv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() {
		return nil, errors.Join(lines.Err(), fmt.Errorf("%s: empty", f.Name()))
	}
	header := strings.Split(lines.Text(), "\t")
	count := map[string]int{}
	var all []picture
	for lines.Scan() {
		values := strings.Split(lines.Text(), "\t")
		get := func(name string) string {
			if i := slices.Index(header, name); i >= 0 && i < len(values) {
				return values[i]
			}
			return ""
		}
		source := get("label") + "/" + get("source")
		kind := kindOf[get("kind")]
		if !slices.Contains(header, "kind") && get("label") == "0" {
			if kind = detector.Photograph; strings.HasPrefix(get("source"), dataset.ArtPrefix) {
				kind = detector.Art
			}
		}
		if kind == "" || count[source+kind] >= perSource {
			continue
		}
		count[source+kind]++
		all = append(all, picture{filepath.Join(dir, filepath.FromSlash(get("path"))), source, kind})
	}
	return all, lines.Err()
}

// features gives the pictures' examples.
func features(model string, from, to int, cache string, pictures []picture) (examples []kinds.Example, err error) {
	known := map[string][]float32{}
	if f, err := os.Open(cache); err == nil {
		err = errors.Join(gob.NewDecoder(f).Decode(&known), f.Close())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cache, err)
		}
	}
	key := func(p picture) string { return fmt.Sprint(from, to, p.Path) }
	var missing []picture
	for _, p := range pictures {
		if known[key(p)] == nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		if err := compute(model, from, to, missing, func(p picture, f []float32) { known[key(p)] = f }); err != nil {
			return nil, err
		}
	}
	if cache != "" {
		f, err := os.Create(cache)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(gob.NewEncoder(f).Encode(known), f.Close()); err != nil {
			return nil, err
		}
	}
	for _, p := range pictures {
		examples = append(examples, kinds.Example{Features: known[key(p)], Kind: slices.Index(labels, p.Kind), Source: p.Source})
	}
	return examples, nil
}

// compute runs the detector's graph with the features as another output.
func compute(model string, from, to int, pictures []picture, take func(picture, []float32)) error {
	n := to - from
	identity := make([]float32, n*n)
	for i := range n {
		identity[i*n+i] = 1
	}
	linear := &locate.Linear{Name: "features", From: from, To: to, Weights: identity, Bias: make([]float32, n)}
	g, err := open(model, func(graph []byte, logit string) ([]byte, error) {
		return locate.Extend(graph, logit, locate.More{Linear: linear})
	})
	if err != nil {
		return err
	}
	err = g.run(context.Background(), len(pictures), func(i int) (image.Image, error) {
		img, _, err := decode.File(pictures[i].Path, decode.Limits{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pictures[i].Path, err)
		}
		return img, nil
	}, func(i int, added []float32) { take(pictures[i], slices.Clone(added)) })
	return errors.Join(err, g.close())
}

// measure trains on folds that leave whole sources out, prints what comes of these,
// and gives the least probability of another kind at which few enough photographs
// are taken for one.
func measure(examples []kinds.Example, l2 float64) (least float64, err error) {
	var sources []string
	for _, e := range examples {
		if !slices.Contains(sources, e.Source) {
			sources = append(sources, e.Source)
		}
	}
	slices.Sort(sources)
	held := make([][]float64, len(examples))
	for fold := range folds {
		in := func(e kinds.Example) bool { return slices.Index(sources, e.Source)%folds != fold }
		var train []kinds.Example
		for _, e := range examples {
			if in(e) {
				train = append(train, e)
			}
		}
		head, err := kinds.Train(train, kinds.Options{Labels: labels, L2: l2})
		if err != nil {
			return 0, err
		}
		for i, e := range examples {
			if !in(e) {
				held[i] = head.Probabilities(e.Features)
			}
		}
	}
	for least = 0.5; least < 0.995; least += 0.01 {
		if table(examples, held, least)[0][0] >= 1-alarms {
			break
		}
	}
	least = float64(int(1000*least+0.5)) / 1000
	fmt.Printf("%d pictures of %d sources; least %.2f; shares by kind, means over sources that were held out\n\n| | pictures | sources |", len(examples), len(sources), least)
	shares := table(examples, held, least)
	for _, l := range labels {
		fmt.Printf(" %s |", l)
	}
	fmt.Print("\n|")
	fmt.Println(strings.Repeat(" --- |", 3+len(labels)))
	for k, l := range labels {
		n, of := 0, map[string]bool{}
		for _, e := range examples {
			if e.Kind == k {
				n++
				of[e.Source] = true
			}
		}
		fmt.Printf("| %s | %d | %d |", l, n, len(of))
		for _, s := range shares[k] {
			fmt.Printf(" %.2f |", s)
		}
		fmt.Println()
	}
	return least, nil
}

// table gives, for pictures of each kind, the share taken for each kind: the mean
// over sources.
func table(examples []kinds.Example, held [][]float64, least float64) [][]float64 {
	type group struct {
		kind   int
		source string
	}
	counts, size := map[group][]float64{}, map[group]float64{}
	for i, e := range examples {
		g := group{e.Kind, e.Source}
		if counts[g] == nil {
			counts[g] = make([]float64, len(labels))
		}
		told := 0
		if 1-held[i][0] >= least {
			told = 1
			for k := range labels {
				if k > 0 && held[i][k] > held[i][told] {
					told = k
				}
			}
		}
		counts[g][told]++
		size[g]++
	}
	shares, sources := make([][]float64, len(labels)), make([]float64, len(labels))
	for k := range shares {
		shares[k] = make([]float64, len(labels))
	}
	for g, c := range counts {
		sources[g.kind]++
		for k, n := range c {
			shares[g.kind][k] += n / size[g]
		}
	}
	for k := range shares {
		for j := range shares[k] {
			shares[k][j] /= sources[k]
		}
	}
	return shares
}
