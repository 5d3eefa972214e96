package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

func TestServeUsage(t *testing.T) {
	db := filepath.Join(t.TempDir(), "service.db")
	for _, test := range []struct{ args, says string }{
		{"--listen 0.0.0.0:0", "there is no key yet; try: bitmind keys create --store " + db},
		{"--listen [::]:0", "there is no key yet"},
		{"--listen nowhere", "try: --listen 127.0.0.1:0"},
		{"--max-body 0", "--max-body 0; try: 1 to 1024"},
		{"--memory 16", "--memory 16; try: at least three times --max-body"},
		{"--cors.origin *", "not a site's origin; try: https://example.com"},
		{"--fetch.allow a/b", `names no host; try: a name`},
		{"--webhook.allow x:0", `"0" is not a port`},
		{"--webhook.secret short", "try: 16 or more"},
		{"--anonymous.rate -2", "try: 60, or 0"},
		{"--keep-days -1", "try: 30, or 0"},
		{"--model nothing", "there is no detector nothing"},
		{"more", "try: bitmind serve --help"},
	} {
		args := []string{"serve", "--store", db, "--listen", "127.0.0.1:0"}
		status, _, stderr := bitmind(t, "", append(args, strings.Fields(test.args)...)...)
		want := 2
		if strings.HasPrefix(test.args, "--model") || strings.HasSuffix(test.args, "nowhere") {
			want = 1
		}
		if status != want || !strings.Contains(stderr, test.says) {
			t.Errorf("serve %s: status %d, want %d with %q: %s", test.args, status, want, test.says, stderr)
		}
	}
}

// post asks a running service about a picture.
func post(t *testing.T, url, token string, picture []byte, v any) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || json.Unmarshal(text, v) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return answer.StatusCode
}

// Where other machines can ask, a key is needed, and --insecure says otherwise.
func TestServeStrangers(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "service.db")
	stdout, _ := bitmindOK(t, "", "keys", "create", "--store", db, "--name", "shop", "--scope", "detect")
	token := strings.TrimSpace(stdout)
	model := testDetector(t)
	picture, err := os.ReadFile(picturesIn(t, dir, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--insecure"}} {
		p, address := startService(t, model, append([]string{"--store", db, "--listen", "0.0.0.0:0"}, more...)...)
		address = strings.Replace(strings.Replace(address, "[::]", "127.0.0.1", 1), "0.0.0.0", "127.0.0.1", 1)
		want := http.StatusUnauthorized
		if more != nil {
			want = http.StatusOK
		}
		var answer struct{ Code, Verdict string }
		if got := post(t, address+"/v1/detect", "", picture, &answer); got != want {
			t.Errorf("without a key %v: %d %+v, want %d", more, got, answer, want)
		}
		if got := post(t, address+"/v1/detect", token, picture, &answer); got != http.StatusOK || answer.Verdict == "" {
			t.Errorf("with a key %v: %d %+v", more, got, answer)
		}
		if got := post(t, address+"/v1/detect", token+"x", picture, &answer); got != http.StatusUnauthorized {
			t.Errorf("with a wrong key %v: %d", more, got)
		}
		p.interrupt()
	}
	info, err := os.Stat(db + ".webhook-secret")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the webhooks' secret: %v, %v", info, err)
	}
}

// What was accepted is answered though the program is killed at any moment.
func TestServeSurvivesKill(t *testing.T) {
	if testing.Short() {
		t.Skip("runs services as processes")
	}
	dir := t.TempDir()
	more := []string{"--store", filepath.Join(dir, "service.db")}
	model := testDetector(t)
	picture, err := os.ReadFile(picturesIn(t, dir, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	var accepted []string
	for round := range 4 {
		p, address := startService(t, model, more...)
		for i := range 8 {
			var d schema.Detection
			if got := post(t, fmt.Sprintf("%s/v1/detect?async=true&external_id=%d-%d", address, round, i), "", picture, &d); got != http.StatusAccepted || d.Status != schema.StatusQueued {
				t.Fatalf("%d %+v", got, d)
			}
			accepted = append(accepted, d.ID)
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.ended
	}
	p, address := startService(t, model, more...)
	for _, id := range accepted {
		p.until("detection "+id, func() bool {
			var d schema.Detection
			if err := getJSON(t.Context(), address+"/v1/detections/"+id, &d); err != nil {
				return false
			}
			if d.Status == schema.StatusFailed {
				t.Fatalf("%s failed: %+v", id, d.Error)
			}
			return d.Status == schema.StatusDone && d.Verdict != ""
		})
	}
	p.interrupt()
}
