package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// export writes the pictures as the tiers show them, without loss, laid out as
// --data takes them.
func (e *evaluation) export(ctx context.Context, w io.Writer) error {
	names := exportNames(e.items)
	e.progress.start(len(e.items) * len(e.tiers))
	defer e.progress.clear()
	var mu sync.Mutex
	done := 0
	for _, tier := range e.tiers {
		folder := filepath.Join(e.options.export, string(tier))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i, item := range e.items {
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				data, err := exportPicture(ctx, item, tier, e.options.seed)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err == nil {
					file := filepath.Join(folder, filepath.FromSlash(names[i]))
					if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
						return fmt.Errorf("--export: %w", err)
					}
					if err := renameio.WriteFile(file, data, 0o644); err != nil {
						return fmt.Errorf("--export: %w", err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					e.sayFailed(item, err)
				}
				done++
				e.progress.set(done)
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	e.progress.clear()
	failed := len(e.failed)
	if failed == len(e.items) {
		return fmt.Errorf("none of the %d pictures in %s could be read; try: see the errors above", failed, e.options.dataName())
	}
	_, err := fmt.Fprintf(w, "%d pictures in %s%s\n", len(e.items)-failed, e.options.export, evalFailed(failed))
	return err
}

func exportPicture(ctx context.Context, item evaluate.Item, tier transform.Tier, seed uint64) ([]byte, error) {
	img, err := item.Show(ctx, tier, seed)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return buf.Bytes(), nil
}

// exportNames gives every picture a path real/<source>/<name>.png; those of one
// name are numbered.
func exportNames(items []evaluate.Item) []string {
	names := make([]string, len(items))
	taken := map[string]bool{}
	for i, item := range items {
		base := path.Base(item.Name())
		base = strings.TrimSuffix(base, path.Ext(base))
		folder := evaluate.SourceKey(item.Label, strings.NewReplacer("/", "_", "\\", "_").Replace(item.Source.Name()))
		name := path.Join(folder, base+".png")
		for n := 2; taken[name]; n++ {
			name = path.Join(folder, fmt.Sprintf("%s-%d.png", base, n))
		}
		taken[name] = true
		names[i] = name
	}
	return names
}
