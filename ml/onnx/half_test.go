package onnx_test

import (
	"math"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Every half-precision number survives the way to float32 and back, and every
// float32 goes to the nearer of its neighbours.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		v := onnx.FromHalf(uint16(h))
		if v != v {
			if back := onnx.Half(v); back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Fatalf("NaN %04x came back as %04x", h, back)
			}
			continue
		}
		if back := onnx.Half(v); back != uint16(h) {
			t.Fatalf("%04x is %g, which came back as %04x", h, v, back)
		}
		if h&0x7fff >= 0x7bff {
			continue // the last finite number, and infinity
		}
		next := float64(onnx.FromHalf(uint16(h + 1)))
		middle := float32((float64(v) + next) / 2) // exact: one more bit
		even := uint16(h + h&1)
		if got := onnx.Half(middle); got != even {
			t.Fatalf("%g, half way above %04x, became %04x", middle, h, got)
		}
		if got := onnx.Half(math.Nextafter32(middle, v)); got != uint16(h) {
			t.Fatalf("just under half way above %04x became %04x", h, got)
		}
		if got := onnx.Half(math.Nextafter32(middle, float32(next))); got != uint16(h+1) {
			t.Fatalf("just over half way above %04x became %04x", h, got)
		}
	}
	for v, want := range map[float32]float64{65504: 65504, 65519.996: 65504, 65520: math.Inf(1), -1e30: math.Inf(-1), 1: 1, 0.1: 0.0999755859375} {
		if got := onnx.FromHalf(onnx.Half(v)); float64(got) != want {
			t.Errorf("%g became %g, want %g", v, got, want)
		}
	}
	if got := onnx.FromBFloat16(0x3f80); got != 1 {
		t.Errorf("bfloat16 one is %g", got)
	}
}
