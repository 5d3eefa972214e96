package dataset

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plain hides that a source is made of files.
type plain struct{ Source }

func TestSubset(t *testing.T) {
	sources, err := OpenDir(tree(t, "a/1.jpg", "a/2.jpg", "a/3.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Source{sources[0], plain{sources[0]}} {
		part, err := Subset(s, []int{2, 0})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a: a/3.jpg a/1.jpg"}, describe(t, []Source{part})); diff != "" {
			t.Error(diff)
		}
		if _, err := part.Load(context.Background(), 2); err == nil {
			t.Error("loaded image 2 of 2")
		}
		if _, err := Subset(s, []int{3}); err == nil {
			t.Error("took image 3 of 3")
		}
	}
}
