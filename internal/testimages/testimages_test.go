package testimages

import (
	"context"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

func TestLabelled(t *testing.T) {
	set := Labelled(t, "dev")
	if len(set.Real) == 0 || len(set.Synthetic) == 0 {
		t.Fatalf("%d real and %d synthetic sources", len(set.Real), len(set.Synthetic))
	}
	for _, s := range append(set.Real, set.Synthetic...) {
		data, err := s.Load(context.Background(), s.Len()-1)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := decode.Decode(data, decode.Limits{}); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}
