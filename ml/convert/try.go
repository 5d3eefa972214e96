package convert

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// trials is how many random pictures a model is tried on.
const trials = 6

// randomPictures differ in noise, contrast and brightness, so that outputs
// differ too.
func randomPictures(width, height int) []*image.RGBA {
	rng := rand.New(rand.NewPCG(1, 0x747279)) // "try"
	pictures := make([]*image.RGBA, trials)
	for i := range pictures {
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		base, slope, noise := rng.Float64()*255, rng.Float64()*2-1, rng.Float64()*128
		for y := range height {
			for x := range width {
				at := img.PixOffset(x, y)
				for c := range 3 {
					v := base + slope*float64(x+y*(c-1)) + noise*(rng.Float64()-0.5)
					img.Pix[at+c] = uint8(max(min(v, 255), 0))
				}
				img.Pix[at+3] = 255
			}
		}
		pictures[i] = img
	}
	return pictures
}

// try loads the detector as a program that uses it does, and has it judge random
// pictures.
func (r *Result) try(ctx context.Context, opts detector.Options) error {
	d, err := detector.New(r.Description, r.Model, opts)
	if err != nil {
		return err
	}
	width, height := r.Description.Preprocess.Size()
	var pictures []image.Image
	for _, img := range randomPictures(width+13, height+7) {
		pictures = append(pictures, img)
	}
	scores, err := d.DetectBatch(ctx, pictures)
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("trying the detector: %w", err)
	}
	low, high := slices.Min(scores), slices.Max(scores)
	note := fmt.Sprintf("tried on %d random pictures: scores from %.4f to %.4f", len(scores), low, high)
	if low == high {
		note += ", all the same; check --mean, --std and --output-kind"
	}
	r.Notes = append(r.Notes, note)
	return nil
}

// Messages of ONNX Runtime about operators that it does not have.
var missingOperator = []*regexp.Regexp{
	regexp.MustCompile(`No Op registered for ([\w.:]+)`),
	regexp.MustCompile(`([\w.]+:\w+)\(-?\d+\) is not a registered function/op`),
	regexp.MustCompile(`Could not find an implementation for ([\w.]+)`),
}

// explain says what to do about a model that ONNX Runtime does not load.
func (c *converter) explain(err error) error {
	if !errors.Is(err, ort.ErrModel) {
		return err
	}
	text := err.Error()
	for _, message := range missingOperator {
		if found := message.FindStringSubmatch(text); found != nil {
			name := strings.ReplaceAll(strings.TrimPrefix(found[1], "ai.onnx:"), ":", ".")
			return refuse("ONNX Runtime has no operator %s for it; try: export it with standard operators only, in float32", name)
		}
	}
	switch {
	case strings.Contains(text, "ValidateOpset"):
		return refuse("its operator set is newer than ONNX Runtime knows; try: export it with an older one")
	case strings.Contains(text, "ShapeInferenceError"):
		return refuse("it does not fit pictures of %d x %d: %v; try: another --size", c.width, c.height, err)
	}
	return refuse("%v; try: export it anew, with a recent exporter", err)
}
