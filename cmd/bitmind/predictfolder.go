package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// predictFiles replaces folders by the pictures in them, and counts what else is
// there. A folder that cannot be read or holds none is a failure like that of a
// file.
func predictFiles(args []string) (files []string, failures []prediction, others int) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if arg == "-" || err != nil || !info.IsDir() {
			files = append(files, arg) // what is wrong with it shows when it is read
			continue
		}
		found, err := dataset.ListDir(arg)
		if err != nil {
			failures = append(failures, prediction{File: arg, err: err})
			continue
		}
		pictures := 0
		for _, file := range found {
			if looksLikePicture(file) {
				files = append(files, file)
				pictures++
			}
		}
		if pictures == 0 {
			failures = append(failures, prediction{File: arg, err: fmt.Errorf(
				"looking into %s: %w", arg, fmt.Errorf("%w among %d files; try: a folder with %s files", dataset.ErrEmpty, len(found), decode.Formats))})
			continue
		}
		others += len(found) - pictures
	}
	return files, failures, others
}

// looksLikePicture says whether a file is a picture by its name or, whatever that
// is, by its first bytes. One that cannot be opened is, so that this is reported.
func looksLikePicture(file string) bool {
	if decode.HasExtension(file) {
		return true
	}
	f, err := os.Open(file)
	if err != nil {
		return true
	}
	defer f.Close()
	head := make([]byte, decode.SniffLen)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return true
	}
	_, picture := decode.Sniff(head[:n])
	return picture
}

// sayOthers says how many files of the folders were passed over.
func sayOthers(w io.Writer, others int) {
	if others > 0 {
		fmt.Fprintf(w, "files in the folders that are no pictures: %d\n", others)
	}
}
