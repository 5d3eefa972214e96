package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Import takes over the reports that a validator of an older version has kept in a
// folder, results-*.jsonl and results.jsonl, all of them in one transaction. Then
// the files are renamed to *.imported; nothing else happens to them. A kill before
// the renaming is harmless: reports that are stored already are left out.
func (b *Book) Import(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "results-*.jsonl"))
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	slices.Sort(files)
	current := filepath.Join(dir, "results.jsonl")
	if _, err := os.Stat(current); err == nil {
		files = append(files, current)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("importing results: %w", err)
	}
	if len(files) == 0 {
		return nil
	}
	added, known, err := b.importFiles(ctx, files)
	if err != nil {
		return b.store.wrap("importing the results of "+dir, err)
	}
	for _, file := range files {
		if err := setAside(file); err != nil {
			return fmt.Errorf("renaming an imported file: %w", err)
		}
	}
	b.store.log.Info("results of an older version were imported; their files are kept as *.imported", "folder", dir, "files", len(files), "challenges", added, "already_there", known)
	return nil
}

func (b *Book) importFiles(ctx context.Context, files []string) (added, known int, err error) {
	s := b.store
	err = s.change(ctx, promised, func(tx querier) error {
		var newest uint64
		numbers := map[ss58.AccountID]int64{}
		for _, file := range files {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			var failed error
			err = ReadReports(f, func(r Report) bool {
				if failed = s.number(ctx, tx, r.Answers, numbers); failed != nil {
					return false
				}
				isNew, err := b.insert(ctx, tx, r, numbers)
				failed = err
				switch {
				case err != nil:
				case isNew:
					added++
				default:
					known++
				}
				newest = max(newest, r.Seq)
				return err == nil
			}, func(line int, err error) {
				s.log.Warn("a line of the results cannot be read and is left out", "file", file, "line", line, "err", err)
			})
			_ = f.Close() // only read
			if err := errors.Join(failed, err); err != nil {
				return fmt.Errorf("%s: %w; try: moving the file away", file, err)
			}
		}
		return b.trim(ctx, tx, newest, added)
	})
	return added, known, err
}

// setAside renames a file, to a name that is free.
func setAside(file string) error {
	to := file + ".imported"
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(file, to)
		} else if err != nil {
			return err
		}
		to = fmt.Sprintf("%s.imported-%d", file, n)
	}
}
