package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/webhook"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

// docBlock is one fenced block of a page: what it holds, and in which language.
type docBlock struct {
	language, text string
}

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

func docBlocks(t *testing.T, path string) []docBlock {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []docBlock
	for _, m := range fence.FindAllSubmatch(page, -1) {
		blocks = append(blocks, docBlock{string(m[1]), string(m[2])})
	}
	return blocks
}

// Every command of docs/api.md works, and what it shows of an answer is in it.
func TestAPICookbook(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED: the commands of docs/api.md need curl; try: apt-get install curl")
	}
	dir := t.TempDir()
	photo, err := os.ReadFile("../../samples/real/gcompris-monuments/ajanta-cave.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"photo.jpg": photo, "notes.txt": []byte("no picture\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(picturesIn(t, dir, 1)[0], filepath.Join(dir, "picture.png")); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pictures := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go pictures.Serve(listener)
	defer pictures.Close()
	host := listener.Addr().String()
	_, address := startService(t, "fast", "--store", filepath.Join(dir, "service.db"), "--fetch.allow", host)
	ready(t, address)

	var output []byte
	for i, b := range docBlocks(t, "../../docs/api.md") {
		switch b.language {
		case "sh":
			command := exec.Command("bash", "-euo", "pipefail", "-c", b.text)
			command.Dir = dir
			command.Env = append(os.Environ(), "SERVER="+address, fmt.Sprintf("PICTURE_URL=http://%s/photo.jpg", host))
			var stderr bytes.Buffer
			command.Stderr = &stderr
			if output, err = command.Output(); err != nil {
				t.Errorf("block %d:\n%s\n%v: %s%s", i, b.text, err, output, stderr.String())
			}
		case "json":
			var want, got any
			if err := json.Unmarshal([]byte(b.text), &want); err != nil {
				t.Errorf("block %d is no JSON: %v", i, err)
			}
			if err := json.Unmarshal(output, &got); err != nil {
				t.Errorf("block %d: the output before it is no JSON: %v: %.300s", i, err, output)
				continue
			}
			for _, missing := range missingKeys(want, got, "") {
				t.Errorf("block %d shows %s, which the answer has not: %.300s", i, missing, output)
			}
		}
	}
}

// Commands that are shown and not run, such as those that need a network, are ones
// that the program takes.
func TestShownCommands(t *testing.T) {
	for _, path := range []string{"../../README.md", "../../docs/api.md", "../../docs/training.md", "../../docs/clients.md"} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)^    (bitmind .*)$").FindAllStringSubmatch(string(page), -1) {
			text, _, _ := strings.Cut(m[1], " #")
			for command := range strings.SplitSeq(text, "&&") {
				args := strings.Fields(command)
				found, rest, err := newRootCmd().Find(args[1:])
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err != nil || !found.HasParent() {
					t.Errorf("%s: %s: %v", path, m[1], err)
				}
			}
		}
	}
}

// The function that docs/api.md shows takes what webhooks are signed with, and the
// headers that it names are those that are sent.
func TestShownWebhookCheck(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile("Bitmind-[A-Za-z-]+").FindAllString(string(page), -1) {
		if !slices.Contains([]string{webhook.SignatureHeader, webhook.EventHeader, webhook.AttemptHeader}, name) {
			t.Errorf("no message has the header %s", name)
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: the function of docs/api.md needs Python; try: apt-get install python3")
	}
	var program string
	for _, b := range docBlocks(t, "../../docs/api.md") {
		if b.language == "python" {
			program += b.text
		}
	}
	body := []byte(`{"type": "detection.done"}`)
	now := time.Now()
	for header, want := range map[string]string{
		webhook.Sign("secret", body, now):                     "True",
		webhook.Sign("another", body, now):                    "False",
		webhook.Sign("secret", body, now.Add(-6*time.Minute)): "False",
	} {
		call := fmt.Sprintf("%s\nprint(genuine('secret', %q, b'%s'))", program, header, body)
		output, err := exec.Command(python, "-c", call).CombinedOutput()
		if got := strings.TrimSpace(string(output)); err != nil || got != want {
			t.Errorf("%s: %s, want %s (%v)", header, got, want, err)
		}
	}
}

// ready waits until a service's detectors are loaded.
func ready(t *testing.T, address string) {
	t.Helper()
	subnettest.Until(t, "the detectors", func() bool {
		reply, err := http.Get(address + "/readyz")
		if err != nil {
			return false
		}
		reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
}

// missingKeys lists the keys of a JSON value that another one has not at the same
// place. Of lists, the first elements are compared.
func missingKeys(want, got any, at string) []string {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return []string{at}
		}
		var missing []string
		for key, value := range want {
			if inner, ok := object[key]; ok {
				missing = append(missing, missingKeys(value, inner, at+"."+key)...)
			} else {
				missing = append(missing, at+"."+key)
			}
		}
		slices.Sort(missing)
		return missing
	case []any:
		list, ok := got.([]any)
		switch {
		case !ok || len(want) > 0 && len(list) == 0:
			return []string{at + "[]"}
		case len(want) > 0:
			return missingKeys(want[0], list[0], at+"[]")
		}
	}
	return nil
}

func TestMissingKeys(t *testing.T) {
	var want, got any
	for text, to := range map[string]*any{
		`{"a": {"b": 1, "c": 2}, "d": [{"e": 1}], "f": [1], "g": 1}`: &want,
		`{"a": {"b": 1}, "d": [{"x": 1}], "f": [], "g": null}`:       &got,
	} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	missing := missingKeys(want, got, "")
	slices.Sort(missing)
	if strings.Join(missing, " ") != ".a.c .d[].e .f[]" {
		t.Errorf("missing %v", missing)
	}
}
