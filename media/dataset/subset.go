package dataset

import (
	"context"
	"fmt"
)

// Subset gives the pictures of s with the given numbers, in that order, as a
// source of the same name. A *Files stays one, so that its pictures keep their
// paths.
func Subset(s Source, numbers []int) (Source, error) {
	for _, i := range numbers {
		if i < 0 || i >= s.Len() {
			return nil, fmt.Errorf("taking image %d of %s: it has %d", i, s.Name(), s.Len())
		}
	}
	if files, ok := s.(*Files); ok {
		paths := make([]string, len(numbers))
		for k, i := range numbers {
			paths[k] = files.paths[i]
		}
		return NewFiles(files.name, files.fsys, paths), nil
	}
	return &subset{s, numbers}, nil
}

type subset struct {
	Source
	numbers []int
}

// Len implements Source.
func (s *subset) Len() int { return len(s.numbers) }

// Load implements Source.
func (s *subset) Load(ctx context.Context, i int) ([]byte, error) {
	if i < 0 || i >= len(s.numbers) {
		return nil, fmt.Errorf("loading image %d of %s: it has %d", i, s.Name(), len(s.numbers))
	}
	return s.Source.Load(ctx, s.numbers[i])
}
