package torchfile_test

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/torchfile"
)

func FuzzRead(f *testing.F) {
	for _, name := range []string{"views_zip.pth", "types_legacy.pth", "nothing_zip.pth"} {
		f.Add(read(f, name))
	}
	f.Add([]byte("\x80\x02ccollections\nOrderedDict\n)R."))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := torchfile.Read(data)
		if err != nil {
			return
		}
		values := 0
		for name, v := range w {
			n := 1
			for _, d := range v.Shape {
				n *= d
			}
			if n != len(v.Data) {
				t.Errorf("%s: shape %v with %d values", name, v.Shape, len(v.Data))
			}
			values += n
		}
		if values > 2*len(data) {
			t.Errorf("%d values from %d bytes", values, len(data))
		}
	})
}
