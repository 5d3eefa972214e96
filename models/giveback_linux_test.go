package models_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/maxmos001/bitmind-subnet/models"
)

// residentFiles is how much of files this process holds in memory, in bytes.
func residentFiles(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	found := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Skip("the kernel does not tell")
	}
	kb, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb * 1024
}

// TestGiveBack reads the large graph and sees that it is gone afterwards.
func TestGiveBack(t *testing.T) {
	graph := models.FS.View("best/model.onnx")
	sum := 0
	for _, b := range graph {
		sum += int(b)
	}
	before := residentFiles(t)
	models.GiveBack()
	if after := residentFiles(t); before-after < len(graph)*9/10 {
		t.Errorf("%d MB before and %d MB after; the graph (sum %d) has %d MB", before/1e6, after/1e6, sum, len(graph)/1e6)
	}
}
