package leak

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

func TestReadsTables(t *testing.T) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewRGBA(image.Rect(0, 0, 20, 10)), &jpeg.Options{Quality: 50}); err != nil {
		t.Fatal(err)
	}
	w := look(buf.Bytes(), decode.Info{Format: "jpeg", Width: 20, Height: 10})
	// ITU-T T.81, annex K, in zigzag order: quality 50 leaves the tables as they are.
	luma, chroma := []int{16, 11, 12, 14, 12, 10, 16, 14}, []int{17, 18, 18, 24, 21, 24, 47, 26}
	for i := range luma {
		if w.tables[0][i] != luma[i] || w.tables[1][i] != chroma[i] {
			t.Fatalf("tables %v", w.tables)
		}
	}
	if w.sampling != [2]int{2, 2} || w.progressive || w.bytes != buf.Len() {
		t.Errorf("%+v", w)
	}
	for cut := range buf.Len() {
		look(buf.Bytes()[:cut], decode.Info{Format: "jpeg"})
	}
}

func FuzzLook(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xdb\x00\x43\x00"))
	f.Add([]byte("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := look(data, decode.Info{Format: "jpeg", Width: 1, Height: 1})
		for _, group := range Groups() {
			for _, v := range w.features(group) {
				if !(v > -100 && v < 100) {
					t.Fatalf("feature %v", v)
				}
			}
		}
	})
}
