package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

// frontendKey writes a credentials file, and returns the public key that goes with it.
func frontendKey(t *testing.T) (path, public string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	const message = "bitmindaigeneratedimagedetectionsubnet"
	text := fmt.Sprintf(`{"message":%q,"signature":%q}`, message, base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(message))))
	path = filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

// address is where a program says that its page is.
func address(t *testing.T, p *process) string {
	t.Helper()
	p.until("its address", func() bool {
		return strings.Contains(p.stderr.String(), "\ndocs http") || strings.HasPrefix(p.stderr.String(), "docs http")
	})
	_, rest, _ := strings.Cut(p.stderr.String(), "page http://")
	line, _, _ := strings.Cut(rest, "\n")
	return "http://" + line
}

// fetchJSON gets or posts, decodes the answer and returns the status.
func fetchJSON(t *testing.T, method, url, authorization, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	data, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s %s: %d %.300s: %v", method, url, reply.StatusCode, data, err)
		}
	}
	return reply.StatusCode
}

// checkServed asks a validator with two miners, which serves, for all that it shows,
// and the miners about a picture.
func checkServed(t *testing.T, url, public string, picture []byte) {
	t.Helper()
	// The second miner may come some challenges after the first.
	var list monitor.Challenges
	subnettest.Until(t, "challenges that both miners answer", func() bool {
		list = monitor.Challenges{}
		fetchJSON(t, "GET", url+"/v1/challenges?limit=3", "", "", &list)
		return len(list.Items) == 3 && len(list.Items[0].Answers) == 2
	})
	var status monitor.Status
	fetchJSON(t, "GET", url+"/v1/status", "", "", &status)
	if status.Challenges == 0 || status.WeightsSet == 0 || len(status.Validators) != 1 || len(status.Pools) != 2 || status.Netuid != 1 {
		t.Errorf("status %+v", status)
	}
	var board monitor.Leaderboard
	fetchJSON(t, "GET", url+"/v1/leaderboard", "", "", &board)
	if len(board.Items) != 2 || board.Items[0].State != monitor.Alive || board.Items[0].Window == 0 {
		t.Errorf("leaderboard %+v", board)
	}
	if list.Items[0].ImageURL == "" {
		t.Fatalf("challenges %+v", list)
	}
	if got := fetchJSON(t, "GET", url+list.Items[0].ImageURL, "", "", nil); got != http.StatusOK {
		t.Errorf("the picture of a challenge: %d", got)
	}
	var weights monitor.WeightsHistory
	fetchJSON(t, "GET", url+"/v1/weights", "", "", &weights)
	if len(weights.Items) == 0 || len(weights.Items[0].Weights) == 0 {
		t.Errorf("weights %+v", weights)
	}

	question := fmt.Sprintf(`{"image": "%s", "seed": 5}`, base64.StdEncoding.EncodeToString(picture))
	var answer proxy.Response
	if got := fetchJSON(t, "POST", url+"/validator_proxy", public, question, &answer); got != http.StatusOK || len(answer.Preds) != 2 || len(answer.UIDs) != 2 {
		t.Errorf("/validator_proxy: %d %+v", got, answer)
	}
	var problem schema.Problem
	if got := fetchJSON(t, "POST", url+"/validator_proxy", "", question, &problem); got != http.StatusUnauthorized || problem.Code != schema.CodeUnauthorized {
		t.Errorf("/validator_proxy without authorization: %d %+v", got, problem)
	}
	var health struct {
		Status string
		Proxy  map[string]struct{ Success, Fail int }
	}
	fetchJSON(t, "GET", url+"/healthcheck", public, "", &health)
	days := 0
	for _, day := range health.Proxy {
		days += day.Success
	}
	if health.Status != "healthy" || days != 1 {
		t.Errorf("/healthcheck %+v", health)
	}
	var rows []map[string]any
	fetchJSON(t, "GET", url+"/miner_performance", public, "", &rows)
	if len(rows) != 2 || rows[0]["num_predictions"] == 0.0 || rows[0]["incentive"] == nil {
		t.Errorf("/miner_performance %v", rows)
	}

	var d schema.Detection
	if got := fetchJSON(t, "POST", url+"/v1/detect", "", fmt.Sprintf(`{"image": "%s"}`, base64.StdEncoding.EncodeToString(picture)), &d); got != http.StatusOK || d.Network == nil || d.Network.Answered != 2 || len(d.Models) != 2 {
		t.Errorf("/v1/detect: %d %+v", got, d)
	}
	// The same through a service elsewhere.
	service := startProgram(t, "serve", "--network", url, "--network.authorization", public, "--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "service.db"))
	d = schema.Detection{}
	body := fmt.Sprintf(`{"image": "%s"}`, base64.StdEncoding.EncodeToString(picture))
	if got := fetchJSON(t, "POST", address(t, service)+"/v1/detect", "", body, &d); got != http.StatusOK || d.Network == nil || d.Network.Answered != 2 || len(d.Models) != 1 || d.Model.Name != inspect.NetworkName {
		t.Errorf("serve --network: %d %+v", got, d)
	}
	service.interrupt()
	reply, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || !strings.Contains(string(text), `bitmind_miner_answered_total{detector="",uid="`) {
		t.Errorf("metrics %v: %.300s", err, text)
	}
}
