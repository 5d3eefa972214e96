package detector

import (
	"encoding/json"
	"image"
	"os"
	"testing"
)

// uneven is texture.py's picture: noise whose strength differs from block to
// block.
func uneven(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	state := uint32(w*65536 + h)
	for y := range h {
		for x := range w {
			strength := (x/37 + 3*(y/29)) % 9
			for c := range 3 {
				state = state*1664525 + 1013904223
				img.Pix[y*img.Stride+4*x+c] = uint8(128 + ((int(state>>24)-128)*strength)>>3)
			}
			img.Pix[y*img.Stride+4*x+3] = 255
		}
	}
	return img
}

func TestTextureCropsEqualNumpy(t *testing.T) {
	data, err := os.ReadFile("testdata/texture_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Numpy string
		Cases []struct {
			Width, Height, Size, Count int
			Windows                    [][]any // x, y, sha256 of the RGB bytes
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 5 {
		t.Fatal("the golden file is incomplete")
	}
	for _, c := range golden.Cases {
		step := Step{Op: TextureCrops, Size: c.Size, Count: c.Count}
		p := Preprocess{Steps: []Step{step}, Std: [3]float32{1, 1, 1}}
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		src := uneven(c.Width, c.Height)
		windows, err := p.Cut(src)
		if err != nil || windows.Len() != len(c.Windows) {
			t.Fatalf("%+v: %d windows, want %d (%v)", step, windows.Len(), len(c.Windows), err)
		}
		for i, want := range c.Windows {
			if at := image.Pt(num(want[0]), num(want[1])); windows.corners[i] != at {
				t.Errorf("%dx%d, %+v: window %d is at %v, want %v", c.Width, c.Height, step, i, windows.corners[i], at)
			}
			if rgbHash(windows.Picture(i)) != want[2] {
				t.Errorf("%dx%d, %+v: window %d has not numpy %s's bytes", c.Width, c.Height, step, i, golden.Numpy)
			}
		}
		// A part of a larger picture gives the same windows.
		larger := image.NewRGBA(image.Rect(0, 0, c.Width+9, c.Height+7))
		part := larger.SubImage(image.Rect(5, 3, 5+c.Width, 3+c.Height)).(*image.RGBA)
		for y := range c.Height {
			copy(part.Pix[y*part.Stride:][:4*c.Width], src.Pix[y*src.Stride:])
		}
		again, err := p.Cut(part)
		if err != nil || again.Len() != windows.Len() || rgbHash(again.Picture(0)) != rgbHash(windows.Picture(0)) {
			t.Errorf("%+v: another window in a part of a picture (%v)", step, err)
		}
	}
}

func BenchmarkTextureCrops(b *testing.B) {
	img := picture(4000, 3000, "noise")
	p := Preprocess{Steps: []Step{{Op: TextureCrops, Size: 224, Count: 10}}, Std: [3]float32{1, 1, 1}}
	for b.Loop() {
		if _, err := p.Cut(img); err != nil {
			b.Fatal(err)
		}
	}
}
