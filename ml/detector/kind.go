package detector

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// Looker is a Detector that also says what kind of picture it looks at, since most
// were trained on photographs, and judge other pictures less well. Detectors that
// Load opens have the method; whether theirs tells kinds is up to its description
// (Info.Kinds).
type Looker interface {
	// Look is DetectBatch with the pictures' kinds, at the cost of one. Where the
	// detector tells no kinds, they are empty.
	Look(ctx context.Context, imgs []image.Image) ([]Sight, error)
}

// Sight is what is seen in a picture.
type Sight struct {
	Score float64 // as Detect gives it
	// Kind is what the picture seems to be, one of Kinds; "" where the detector does
	// not tell. It is Photograph unless something else is clear.
	Kind            string
	KindProbability float64 // of that kind
}

// Kinds of pictures.
const (
	Photograph = "photograph"
	Art        = "art"                    // drawing, painting, comic, anime, digital art
	Render     = "render"                 // of a 3D scene
	Screenshot = "screenshot_or_document" // a screen, a scanned or written page
	Graphic    = "graphic"                // vector and pixel art
)

// kindsOutput is the output that is added for Kinds.
const kindsOutput = "kinds"

// Kinds is a linear head on the features that the detector's own head reads: it
// tells kinds of pictures. FORMAT.md explains the fields.
type Kinds struct {
	Labels []string `json:"labels"` // the first is Photograph
	// From and To are the columns of the features that it reads.
	From    int         `json:"from"`
	To      int         `json:"to"`
	Weights HalfWeights `json:"weights"` // [To-From, len(Labels)], row by row
	Bias    []float32   `json:"bias"`
	// Least is the probability of all kinds but Photograph together from which a
	// picture is said to be another kind.
	Least float64 `json:"least"`
}

// HalfWeights are numbers that JSON holds as the base64 of their half-precision
// form, two bytes each, the lower one first.
type HalfWeights []float32

// MarshalJSON implements json.Marshaler.
func (w HalfWeights) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, 2*len(w))
	for _, v := range w {
		raw = binary.LittleEndian.AppendUint16(raw, onnx.Half(v))
	}
	return []byte(`"` + base64.StdEncoding.EncodeToString(raw) + `"`), nil
}

// UnmarshalText reads the base64; JSON strings are given to it.
func (w *HalfWeights) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(raw)%2 != 0 {
		return errors.New("weights are not the base64 of half-precision numbers")
	}
	*w = make(HalfWeights, len(raw)/2)
	for i := range *w {
		(*w)[i] = onnx.FromHalf(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return nil
}

func (k *Kinds) check() error {
	finite := func(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
	n := len(k.Labels)
	switch {
	case n < 2 || n > 16 || k.Labels[0] != Photograph:
		return fmt.Errorf("kinds: labels %q; want 2 to 16, %q first", k.Labels, Photograph)
	case k.From < 0 || k.To <= k.From || len(k.Bias) != n || len(k.Weights) != (k.To-k.From)*n:
		return fmt.Errorf("kinds: %d weights and %d biases for columns %d to %d and %d labels", len(k.Weights), len(k.Bias), k.From, k.To, n)
	case !(k.Least > 0 && k.Least < 1):
		return fmt.Errorf("kinds: least %v is not between 0 and 1", k.Least)
	}
	for i, l := range k.Labels {
		if l == "" || slices.Contains(k.Labels[:i], l) {
			return fmt.Errorf("kinds: labels %q must be given and differ", k.Labels)
		}
	}
	for _, v := range append(slices.Clone(k.Bias), k.Weights...) {
		if !finite(v) {
			return errors.New("kinds: a weight is no number")
		}
	}
	return nil
}

// tell gives the kind of a picture by its log-odds.
func (k *Kinds) tell(logits []float64) (kind string, probability float64) {
	most := slices.Max(logits)
	p, sum := make([]float64, len(logits)), 0.0
	for i, l := range logits {
		p[i] = math.Exp(l - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	if 1-p[0] < k.Least {
		return k.Labels[0], p[0]
	}
	best := 1
	for i := range p[1:] {
		if p[1+i] > p[best] {
			best = 1 + i
		}
	}
	return k.Labels[best], p[best]
}

// Look implements Looker.
func (m *model) Look(ctx context.Context, imgs []image.Image) ([]Sight, error) {
	sights := make([]Sight, len(imgs))
	kinds := m.description.Kinds
	if kinds == nil {
		scores, err := m.DetectBatch(ctx, imgs)
		for i, s := range scores {
			sights[i].Score = s
		}
		return sights, err
	}
	inputs, err := m.inputs(imgs)
	if err != nil {
		return nil, fmt.Errorf("looking: %w", err)
	}
	x, err := m.extended()
	if err != nil {
		return nil, fmt.Errorf("looking: %w", err)
	}
	logits, told := make([]float64, len(imgs)), make([][]float64, len(imgs))
	for i := range told {
		told[i] = make([]float64, len(kinds.Labels))
	}
	err = x.batcher.RunAll(ctx, len(inputs),
		func(i int, dst []float32) error { return inputs[i].windows.Apply(inputs[i].window, dst) },
		func(i int, results [][]float32) {
			in := inputs[i]
			n := float64(in.windows.Len())
			logits[in.picture] += m.logit(results[0]) / n
			for k, v := range results[x.kinds] {
				told[in.picture][k] += float64(v) / n
			}
		})
	if errors.Is(err, ort.ErrClosed) {
		return nil, ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("looking: %w", err)
	}
	for i, logit := range logits {
		s := &sights[i]
		if s.Score, err = m.description.Calibration.Score(logit); err != nil {
			return nil, fmt.Errorf("looking: %w", pictureError(err, i, len(imgs)))
		}
		s.Kind, s.KindProbability = kinds.tell(told[i])
	}
	return sights, nil
}
