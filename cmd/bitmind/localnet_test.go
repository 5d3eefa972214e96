package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/internal/testimages"
	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
)

// imageFolders writes the test images as the two folders that --real and
// --synthetic take, sources as sub-folders. Pictures are those that the shipped
// detector was not trained on.
func imageFolders(t *testing.T) (real, synthetic string) {
	t.Helper()
	set := testimages.Labelled(t, "dev")
	root := t.TempDir()
	write := func(class string, sources []dataset.Source) string {
		for _, source := range sources {
			// The name of a source in a flat folder may be that of its class.
			dir := filepath.Join(root, class, filepath.Base(source.Name()))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range source.Len() {
				data, err := source.Load(t.Context(), i)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.jpg", i)), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		return filepath.Join(root, class)
	}
	return write("real", set.Real), write("synthetic", set.Synthetic)
}

// localnetArgs are the arguments of a fast subnet on free ports.
func localnetArgs(dir string, more ...string) []string {
	return append([]string{"localnet", "--dir", dir, "--rpc", "127.0.0.1:0", "--listen", "127.0.0.1:0",
		"--block-time", "200ms", "--interval", "0s", "--seed", "20240701", "--log.level", "warn"}, more...)
}

// The main job: on pictures that it was not trained on, the better detector ends
// up with the larger share of what the chain pays.
func TestEndToEndBetterMinerEarnsMore(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a subnet for a minute")
	}
	real, synthetic := imageFolders(t)
	dir := t.TempDir()
	const steps = 400
	stdout, _ := bitmindOK(t, "", localnetArgs(dir, "--steps", fmt.Sprint(steps), "--real", real, "--synthetic", synthetic, "--json")...)
	s := parseSnapshot(t, stdout)

	if s.Challenges != steps || s.Images.Real+s.Images.Synthetic != steps {
		t.Errorf("%d challenges (%+v), want %d", s.Challenges, s.Images, steps)
	}
	// A fair coin: six standard deviations are 0.17 of 300.
	if share := float64(s.Images.Real) / steps; share < 0.33 || share > 0.67 {
		t.Errorf("%.2f of the images are real; want a fair coin", share)
	}
	if s.WeightsSet < 2 || s.Blocks < 22 {
		t.Errorf("%d weight settings in %d blocks; want a few epochs", s.WeightsSet, s.Blocks)
	}
	if len(s.Miners) != 3 {
		t.Fatalf("%d miners, want 3: %+v", len(s.Miners), s.Miners)
	}
	byName := make(map[string]devnet.Miner)
	var incentives float64
	for _, m := range s.Miners {
		byName[m.Detector] = m
		incentives += m.Incentive
		if m.Asked != steps || m.Answered < steps*9/10 || m.Hotkey == "" {
			t.Errorf("miner %+v; want it asked %d times and answering", m, steps)
		}
	}
	if incentives < 0.99 || incentives > 1.01 {
		t.Errorf("incentives add up to %v, want 1", incentives)
	}
	var best devnet.Miner
	for name, m := range byName {
		if name != "random" && !strings.HasSuffix(name, "at 1/4") {
			best = m
		}
	}
	t.Logf("shipped detector %+v", best)
	for name, m := range byName {
		if m.UID == best.UID {
			continue
		}
		t.Logf("%s %+v", name, m)
		if best.Incentive <= m.Incentive || best.Accuracy <= m.Accuracy {
			t.Errorf("the shipped detector earns %.3f with accuracy %.3f, %q earns %.3f with %.3f",
				best.Incentive, best.Accuracy, name, m.Incentive, m.Accuracy)
		}
	}
}

func parseSnapshot(t *testing.T, text string) devnet.Snapshot {
	t.Helper()
	var s devnet.Snapshot
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatalf("stdout is no summary: %v: %.500s", err, text)
	}
	return s
}

// startLocalnet starts the program on the folder and waits until its page is there.
func startLocalnet(t *testing.T, dir string, more ...string) (p *process, at endpoints) {
	t.Helper()
	path := filepath.Join(dir, "endpoints.json")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	p = startProgram(t, localnetArgs(dir, more...)...)
	p.until("endpoints.json", func() bool {
		data, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(data, &at) == nil
	})
	return p, at
}

// untilStatus waits until the subnet's state satisfies ok.
func (p *process) untilStatus(url, what string, ok func(devnet.Snapshot) bool) (s devnet.Snapshot) {
	p.t.Helper()
	p.until(what, func() bool {
		var err error
		s, err = status(p.t.Context(), url)
		return err == nil && ok(s)
	})
	return s
}

// status asks the API how the subnet does.
func status(ctx context.Context, url string) (s devnet.Snapshot, err error) {
	var now monitor.Status
	var miners monitor.Leaderboard
	if err := errors.Join(getJSON(ctx, url+"/v1/status", &now), getJSON(ctx, url+"/v1/leaderboard", &miners)); err != nil {
		return s, err
	}
	s = devnet.Snapshot{Blocks: now.Block, Challenges: now.Challenges, WeightsSet: now.WeightsSet}
	s.Images.Real, s.Images.Synthetic = now.Real, now.Synthetic
	for _, m := range miners.Items {
		s.Miners = append(s.Miners, devnet.Miner{UID: m.UID, Hotkey: m.Hotkey, Detector: m.Detector, Asked: m.Asked, Answered: m.Answered, Accuracy: m.Accuracy, Score: m.Score, Incentive: m.Incentive})
	}
	slices.SortFunc(s.Miners, func(a, b devnet.Miner) int { return cmp.Compare(a.UID, b.UID) })
	return s, nil
}

func getJSON(ctx context.Context, url string, v any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	return json.NewDecoder(reply.Body).Decode(v)
}

// A subnet that is killed goes on from where it was: chain, scores and counts.
func TestLocalnetSurvivesKill(t *testing.T) {
	if testing.Short() {
		t.Skip("runs subnets as processes")
	}
	dir := t.TempDir()
	var before devnet.Snapshot
	for round := range 3 {
		p, at := startLocalnet(t, dir)
		after := p.untilStatus(at.HTTP, "new challenges", func(s devnet.Snapshot) bool {
			return s.Challenges > before.Challenges+5 && len(s.Miners) == 3
		})
		if after.Blocks < before.Blocks || after.WeightsSet < before.WeightsSet {
			t.Errorf("round %d: the state went back from %+v to %+v", round, before, after)
		}
		for i, m := range before.Miners {
			if after.Miners[i].Hotkey != m.Hotkey || after.Miners[i].Asked < m.Asked-1 {
				t.Errorf("round %d: miner was %+v, is %+v; want at most the challenge in flight lost", round, m, after.Miners[i])
			}
		}
		before = after
		// Some moments fall into writing, some into a challenge.
		time.Sleep(time.Duration(37*round) * time.Millisecond)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.ended
	}
}

// Ctrl-C ends the program with its summary, soon, and without an error.
func TestLocalnetInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a subnet as a process")
	}
	p, at := startLocalnet(t, t.TempDir(), "--json")
	p.untilStatus(at.HTTP, "a challenge", func(s devnet.Snapshot) bool { return s.Challenges > 0 })
	stdout := p.interrupt()
	if s := parseSnapshot(t, stdout); s.Challenges == 0 || len(s.Miners) == 0 {
		t.Errorf("summary %+v; want what was done", s)
	}
}

// The bare chain serves its addresses in endpoints.json and on stderr, and a
// second program on the same folder is refused without harm to the first.
func TestLocalnetBareChain(t *testing.T) {
	dir := t.TempDir()
	p, first := startLocalnet(t, dir, "--miners", "0", "--validators", "0")
	p.untilStatus(first.HTTP, "a block", func(s devnet.Snapshot) bool { return s.Blocks > 1 })
	if !strings.HasPrefix(first.RPC, "ws://127.0.0.1:") || strings.HasSuffix(first.RPC, ":0") {
		t.Errorf("endpoints.json holds %+v; want the chosen ports", first)
	}
	stdout, _ := bitmindOK(t, "", "metagraph", "--netuid", "1", "--subtensor.network", first.RPC, "--json")
	if !strings.Contains(stdout, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY") {
		t.Errorf("the metagraph lacks //Alice, who owns the subnet: %.300s", stdout)
	}

	code, _, stderr := bitmind(t, "", localnetArgs(dir, "--miners", "0", "--validators", "0")...)
	if code != 1 || !strings.Contains(stderr, dir) {
		t.Errorf("a second chain on the folder: status %d, %q; want 1 and the folder's name", code, stderr)
	}
	data, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
	if err != nil || !strings.Contains(string(data), first.RPC) {
		t.Errorf("after the second start endpoints.json holds %s (%v); want %+v still", data, err, first)
	}
}

// A chain's state can be exported, while it runs and afterwards, and another
// chain begun from the file.
func TestLocalnetExportAndClone(t *testing.T) {
	bare := func(more ...string) []string { return append([]string{"--miners", "0", "--validators", "0"}, more...) }
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "state.json")
	p, at := startLocalnet(t, dir, bare("--spec", "293")...)
	for _, request := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"dev_advance","params":[500]}`, `{"jsonrpc":"2.0","id":1,"method":"dev_export"}`,
	} {
		reply, err := http.Post("http"+strings.TrimPrefix(at.RPC, "ws"), "application/json", strings.NewReader(request))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil || strings.Contains(string(data), `"error"`) {
			t.Fatalf("%s: %.300s, %v", request, data, err)
		}
	}
	if code, _, stderr := bitmind(t, "", localnetArgs(dir, "--spec", "293", "--export", file)...); code != 1 || !strings.Contains(stderr, "in use") {
		t.Errorf("exporting a folder in use: status %d, %q", code, stderr)
	}
	p.interrupt()
	bitmindOK(t, "", localnetArgs(dir, "--spec", "293", "--export", file)...)

	copied := t.TempDir()
	p, at = startLocalnet(t, copied, bare("--spec", "293", "--clone", file)...)
	s := p.untilStatus(at.HTTP, "a block", func(s devnet.Snapshot) bool { return s.Blocks > 500 })
	t.Logf("the clone is at block %d", s.Blocks)
	p.interrupt()

	empty := t.TempDir()
	damaged := filepath.Join(empty, "damaged.json")
	if err := os.WriteFile(damaged, []byte(`{"0x00":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
	}{
		{localnetArgs(t.TempDir(), bare("--clone", file)...), 1}, // another version
		{localnetArgs(dir, bare("--spec", "293", "--clone", file)...), 1},
		{localnetArgs(t.TempDir(), bare("--clone", damaged)...), 1},
		{localnetArgs(t.TempDir(), bare("--clone", filepath.Join(empty, "none"))...), 1},
		{localnetArgs(t.TempDir(), bare("--spec", "5")...), 1},
		{localnetArgs(empty, "--export", file), 1},
		{localnetArgs(dir, "--export", file, "--clone", file), 2},
	} {
		code, stdout, stderr := bitmind(t, "", test.args...)
		if code != test.code || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "; try: ") {
			t.Errorf("%v: status %d, stdout %q, stderr %q; want %d and one line that says what to try", test.args, code, stdout, stderr, test.code)
		}
	}
}

func TestLocalnetWrongUsage(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"--miners", "-1"}, 2},
		{[]string{"--miners", "0", "--validators", "1"}, 2},
		{[]string{"--block-time", "1ms"}, 2},
		{[]string{"--steps", "5", "--validators", "0"}, 2},
		{[]string{"--tempo", "0"}, 2},
		{[]string{"extra"}, 2},
		{[]string{"--real", empty}, 1},
		{[]string{"--real", filepath.Join(empty, "none")}, 1},
		{[]string{"--rpc", "nowhere"}, 1},
		{[]string{"--model", filepath.Join(empty, "none")}, 1},
	} {
		code, stdout, stderr := bitmind(t, "", localnetArgs(t.TempDir(), test.args...)...)
		if code != test.code || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "; try: ") {
			t.Errorf("localnet %v: status %d, stdout %q, stderr %q; want %d and one line that says what to try",
				test.args, code, stdout, stderr, test.code)
		}
	}
}

func TestLocalnetFrame(t *testing.T) {
	v := newLocalnetView(io.Discard, "/state", endpoints{RPC: "ws://127.0.0.1:1", HTTP: "http://127.0.0.1:2"})
	frame := v.frame(devnet.Snapshot{Blocks: 40, Challenges: 7, WeightsSet: 2, Images: devnet.Images{Real: 3, Synthetic: 4},
		Miners: []devnet.Miner{{UID: 2, Detector: "npr", Asked: 7, Answered: 7, Accuracy: 6. / 7, Score: 0.5, Incentive: 0.75}}}, 3)
	for _, want := range []string{"block 40", "epoch in 3", "weights set 2", "npr", "85.7 %", "0.750", strings.Repeat("█", 15) + strings.Repeat("░", 5), "http://127.0.0.1:2"} {
		if !strings.Contains(frame, want) {
			t.Errorf("the frame lacks %q:\n%s", want, frame)
		}
	}
	if !strings.HasSuffix(frame, "\n") {
		t.Error("the frame's last line is open: redrawing would be off by one")
	}
}
