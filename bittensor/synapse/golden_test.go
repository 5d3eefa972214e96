package synapse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// The synapse types of the recordings.
type (
	ImageSynapse struct {
		Image      string  `json:"image"`
		Prediction float64 `json:"prediction"`
	}
	ReqImageSynapse struct {
		Image      string   `json:"image" synapse:"required,hash"`
		Meta       []int    `json:"meta" synapse:"required"`
		Prediction *float64 `json:"prediction"`
	}
	BoomSynapse struct {
		Image string `json:"image"`
	}
	SlowSynapse struct {
		Image      string  `json:"image"`
		Prediction float64 `json:"prediction"`
	}
	NoSuchSynapse struct {
		Image string `json:"image"`
	}
)

func (s *ImageSynapse) SetDefaults() { s.Prediction = -1 }
func (s *SlowSynapse) SetDefaults()  { s.Prediction = -1 }

const recordedImage = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"

type recording struct {
	Axon        string `json:"axon_uri"`
	Dendrite    string `json:"dendrite_uri"`
	Blacklisted string `json:"blacklisted_uri"`
	Cases       []recordedCase
	version     int
}

type recordedCase struct {
	Case          string
	Request       *recordedMessage
	Response      *recordedMessage
	ClientView    *clientView `json:"client_view"`
	SignedMessage string      `json:"signed_message"`
}

type recordedMessage struct {
	StartLine string      `json:"start_line"`
	Headers   [][2]string `json:"headers"`
	BodyText  string      `json:"body_text"`
}

type clientView struct {
	Dendrite           map[string]any
	Axon               map[string]any
	Prediction         *float64
	IsSuccess          bool `json:"is_success"`
	IsTimeout          bool `json:"is_timeout"`
	IsBlacklist        bool `json:"is_blacklist"`
	FailedVerification bool `json:"failed_verification"`
}

func (m *recordedMessage) header(name string) string {
	for _, h := range m.Headers {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

func (m *recordedMessage) raw() string {
	var b strings.Builder
	b.WriteString(m.StartLine + "\r\n")
	for _, h := range m.Headers {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n" + m.BodyText)
	return b.String()
}

func recordings(t testing.TB) []recording {
	t.Helper()
	var all []recording
	for file, version := range map[string]int{"http_v10.5.0.json": 10_005_000, "http_v7.4.0.json": 7_004_000} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Cases) != 20 {
			t.Fatalf("%s: %d cases, want 20", file, len(r.Cases))
		}
		r.version = version
		all = append(all, r)
	}
	return all
}

func keypair(t testing.TB, uri string) *wallet.Keypair {
	t.Helper()
	k, err := wallet.FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// recordedAxon serves what the recorded one did.
func recordedAxon(t testing.TB, cfg AxonConfig, blacklisted ss58.AccountID) *Axon {
	t.Helper()
	a, err := NewAxon(cfg)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(_ context.Context, from Caller) (bool, string) {
		return from.Hotkey == blacklisted, "Unrecognized hotkey"
	}
	quarter := 0.25
	for _, err := range []error{
		Handle(a, Handler[ImageSynapse]{Blacklist: refuse,
			Priority: func(context.Context, Caller) float64 { return 1 },
			Forward: func(_ context.Context, s *ImageSynapse, _ Caller) error {
				s.Prediction = 0.875
				return nil
			}}),
		Handle(a, Handler[ReqImageSynapse]{Forward: func(_ context.Context, s *ReqImageSynapse, _ Caller) error {
			s.Prediction = &quarter
			return nil
		}}),
		Handle(a, Handler[BoomSynapse]{Forward: func(context.Context, *BoomSynapse, Caller) error {
			return errors.New("boom")
		}}),
		Handle(a, Handler[SlowSynapse]{Forward: func(ctx context.Context, _ *SlowSynapse, _ Caller) error {
			<-ctx.Done()
			return ctx.Err()
		}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// serve runs the axon on a loopback port until the test ends.
func serve(t testing.TB, a *Axon) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

var errorID = regexp.MustCompile(`#[0-9a-f]{8}-[0-9a-f-]{27}`)
var processTime = regexp.MustCompile(`"process_time":[0-9.e-]+`)

// anonymous takes out what differs from run to run.
func anonymous(body string) string {
	body = errorID.ReplaceAllString(body, "#ID")
	return processTime.ReplaceAllString(body, `"process_time":0.5`)
}

// The axon answers each recorded request, sent byte for byte, as recorded.
func TestAxonAnswersRecordedRequests(t *testing.T) {
	for _, rec := range recordings(t) {
		t.Run(strconv.Itoa(rec.version), func(t *testing.T) {
			bob := keypair(t, rec.Axon)
			var clock atomic.Int64
			var uuid string
			for _, c := range rec.Cases {
				if c.Response != nil && uuid == "" {
					uuid = c.Response.header("bt_header_axon_uuid")
				}
			}
			a := recordedAxon(t, AxonConfig{Signer: bob, Version: rec.version, UUID: uuid,
				Now: func() time.Time { return time.Unix(0, clock.Load()) },
			}, keypair(t, rec.Blacklisted).AccountID())
			addr := serve(t, a)
			for _, c := range rec.Cases {
				if c.Request == nil {
					continue // connection_refused: there was no axon
				}
				t.Run(c.Case, func(t *testing.T) { replay(t, a, addr, &clock, c) })
			}
		})
	}
}

func replay(t *testing.T, a *Axon, addr netip.AddrPort, clock *atomic.Int64, c recordedCase) {
	// The recorded axon's nonce is its clock; a successful answer has none, but
	// came within milliseconds of the request.
	now, _ := strconv.ParseInt(c.Request.header("bt_header_dendrite_nonce"), 10, 64)
	now += int64(5 * time.Millisecond)
	if c.Case == "future_nonce_1h" {
		now -= int64(time.Hour)
	}
	if c.Response != nil {
		if n, err := strconv.ParseInt(c.Response.header("bt_header_axon_nonce"), 10, 64); err == nil {
			now = n
		}
	}
	clock.Store(now)

	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, c.Request.raw()); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if c.Response == nil { // client_timeout: the recorded client left before the answer
		if got.StatusCode != http.StatusRequestTimeout {
			t.Errorf("status %d, want 408", got.StatusCode)
		}
		return
	}
	if want := strings.Fields(c.Response.StartLine)[1]; strconv.Itoa(got.StatusCode) != want {
		t.Errorf("status %d, want %s; body %s", got.StatusCode, want, body)
	}
	if d := cmp.Diff(anonymous(c.Response.BodyText), anonymous(string(body))); d != "" {
		t.Errorf("body (-recorded +ours):\n%s", d)
	}
	want := map[string]string{}
	for _, h := range c.Response.Headers {
		want[http.CanonicalHeaderKey(h[0])] = errorID.ReplaceAllString(h[1], "#ID")
	}
	have := map[string]string{}
	for k := range got.Header {
		have[k] = errorID.ReplaceAllString(got.Header.Get(k), "#ID")
	}
	have["Content-Length"] = strconv.FormatInt(got.ContentLength, 10)
	if s := have["Bt_header_axon_signature"]; s != "" {
		message := appendJoined(nil, a.cfg.Now().UnixNano(), orNone(have["Bt_header_dendrite_hotkey"]),
			orNone(have["Bt_header_axon_hotkey"]), a.cfg.UUID)
		if sig, ok := parseSignature(s); !ok || !wallet.Verify(a.hotkey, message, sig) {
			t.Errorf("the axon's signature does not verify")
		}
	}
	for _, m := range []map[string]string{want, have} {
		for _, varies := range []string{"Date", "Server", "Bt_header_axon_process_time",
			"Bt_header_axon_signature", "Bt_header_dendrite_port"} {
			if _, ok := m[varies]; ok {
				m[varies] = "varies"
			}
		}
		delete(m, "Server") // uvicorn's
		if got.StatusCode == http.StatusOK {
			delete(m, "Content-Length") // varies with the process time's digits
		}
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("headers (-recorded +ours):\n%s", d)
	}
}

// scripted is a server that keeps each request's bytes and sends fixed answers.
type scripted struct {
	addr     netip.AddrPort
	requests chan []byte
}

func newScripted(t *testing.T, answer string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &scripted{l.Addr().(*net.TCPAddr).AddrPort(), make(chan []byte, 1)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var seen bytes.Buffer
				r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &seen)))
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					return
				}
				s.requests <- bytes.Clone(seen.Bytes())
				if answer == "" { // never: hold until the client leaves
					_, _ = io.Copy(io.Discard, conn)
					return
				}
				_, _ = io.WriteString(conn, answer)
			}()
		}
	}()
	return s
}

// The dendrite's request is the recorded one up to the signature, and it reads the
// recorded answer as the SDK did.
func TestDendriteAgainstRecordings(t *testing.T) {
	for _, rec := range recordings(t) {
		t.Run(strconv.Itoa(rec.version), func(t *testing.T) {
			for _, c := range rec.Cases {
				t.Run(c.Case, func(t *testing.T) {
					signer := keypair(t, rec.Dendrite)
					if c.Case == "blacklisted" {
						signer = keypair(t, rec.Blacklisted)
					}
					bob := keypair(t, rec.Axon).AccountID()
					image := ImageSynapse{recordedImage, -1}
					switch name := c.synapse(); name {
					case "ImageSynapse":
						ask(t, c, rec.version, signer, bob, image, func(s ImageSynapse) *float64 { return &s.Prediction })
					case "ReqImageSynapse":
						ask(t, c, rec.version, signer, bob, ReqImageSynapse{Image: recordedImage, Meta: []int{1, 2}},
							func(s ReqImageSynapse) *float64 { return s.Prediction })
					case "BoomSynapse":
						ask(t, c, rec.version, signer, bob, BoomSynapse{recordedImage}, func(BoomSynapse) *float64 { return nil })
					case "NoSuchSynapse":
						ask(t, c, rec.version, signer, bob, NoSuchSynapse{recordedImage}, func(NoSuchSynapse) *float64 { return nil })
					case "SlowSynapse":
						ask(t, c, rec.version, signer, bob, SlowSynapse(image), func(s SlowSynapse) *float64 { return &s.Prediction })
					default:
						t.Fatalf("synapse %q", name)
					}
				})
			}
		})
	}
}

func (c recordedCase) synapse() string {
	if c.Request == nil {
		return "ImageSynapse"
	}
	return strings.TrimPrefix(strings.Fields(c.Request.StartLine)[1], "/")
}

func ask[T any](t *testing.T, c recordedCase, version int, signer *wallet.Keypair, axon ss58.AccountID, synapse T, prediction func(T) *float64) {
	answer := ""
	if c.Response != nil {
		answer = c.Response.raw()
	}
	server := newScripted(t, answer)
	timeout, port := 12*time.Second, "18092"
	var nonce int64
	uuid := "00000000-0000-0000-0000-000000000000"
	if c.Request != nil {
		nonce, _ = strconv.ParseInt(c.Request.header("bt_header_dendrite_nonce"), 10, 64)
		uuid = c.Request.header("bt_header_dendrite_uuid")
		if s, err := strconv.ParseFloat(c.Request.header("timeout"), 64); err == nil {
			timeout = time.Duration(s * float64(time.Second))
		}
	} else {
		port = "18099"
	}
	lastNonce.Store(0)
	d := NewDendrite(DendriteConfig{Signer: signer, ExternalIP: netip.MustParseAddr("192.0.2.10"),
		Version: version, UUID: uuid, Now: func() time.Time { return time.Unix(0, nonce) }})
	defer d.Close()
	// The recorded ports are fixed ones: requests to them go to our server.
	real := d.transport.DialContext
	d.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		if c.Request == nil {
			return real(ctx, network, closedPort(t))
		}
		return real(ctx, network, server.addr.String())
	}
	target := Target{axon, netip.MustParseAddrPort("127.0.0.1:" + port)}
	got := Query(t.Context(), d, []Target{target}, synapse, timeout)[0]

	byDendrite := c.Request != nil && c.Request.header("Accept") != ""
	if byDendrite {
		compareRequest(t, c, <-server.requests, signer.AccountID())
	}
	switch {
	case c.ClientView != nil:
		compareView(t, c.ClientView, &got, prediction(got.Synapse))
	case c.Response != nil:
		want := strings.Fields(c.Response.StartLine)[1]
		if strconv.Itoa(got.StatusCode) != want {
			t.Errorf("status %d (%v), want %s", got.StatusCode, got.Err, want)
		}
		var body struct{ Message string }
		if err := json.Unmarshal([]byte(c.Response.BodyText), &body); err != nil {
			t.Fatal(err)
		}
		if want != "200" && (got.StatusMessage != body.Message || got.Err == nil) {
			t.Errorf("message %q, error %v, want %q and an error", got.StatusMessage, got.Err, body.Message)
		}
	}
}

func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var signatureText = regexp.MustCompile(`0x[0-9a-f]{128}`)

func compareRequest(t *testing.T, c recordedCase, raw []byte, signer ss58.AccountID) {
	t.Helper()
	start, rest, _ := strings.Cut(string(raw), "\r\n")
	if start != c.Request.StartLine {
		t.Errorf("start line %q, want %q", start, c.Request.StartLine)
	}
	head, body, _ := strings.Cut(rest, "\r\n\r\n")
	have, want := map[string]string{}, map[string]string{}
	for _, line := range strings.Split(head, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		have[name] = value
	}
	for _, h := range c.Request.Headers {
		want[h[0]] = h[1]
	}
	want["User-Agent"] = "bitmind"
	sig, ok := parseSignature(have["bt_header_dendrite_signature"])
	if !ok || c.SignedMessage != "" && !wallet.Verify(signer, []byte(c.SignedMessage), sig) {
		t.Errorf("our signature does not cover the recorded message %q", c.SignedMessage)
	}
	for _, m := range []map[string]string{have, want} {
		m["bt_header_dendrite_signature"] = "varies"
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("headers, names as spelt on the wire (-recorded +ours):\n%s", d)
	}
	same := func(s string) string { return signatureText.ReplaceAllString(s, "0x") }
	if d := cmp.Diff(same(c.Request.BodyText), same(body)); d != "" {
		t.Errorf("body, byte for byte (-recorded +ours):\n%s", d)
	}
}

func compareView[T any](t *testing.T, want *clientView, got *Response[T], prediction *float64) {
	t.Helper()
	view := func(t TerminalInfo) map[string]any {
		var m map[string]any
		_ = json.Unmarshal(t.appendJSON(nil, ",", ":"), &m)
		return m
	}
	have := &clientView{
		Dendrite: view(got.Dendrite), Axon: view(got.Axon), Prediction: prediction,
		IsSuccess: got.IsSuccess(), IsTimeout: got.IsTimeout(),
		IsBlacklist: got.IsBlacklist(), FailedVerification: got.FailedVerification(),
	}
	// Where no request was recorded there is no nonce to take.
	unrecorded := got.StatusCode == http.StatusServiceUnavailable
	for _, v := range []*clientView{want, have} {
		for _, m := range []map[string]any{v.Dendrite, v.Axon} {
			delete(m, "signature")
		}
		delete(v.Dendrite, "process_time")
		if unrecorded {
			delete(v.Dendrite, "nonce")
			delete(v.Dendrite, "uuid")
		}
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("client view (-recorded +ours):\n%s", d)
	}
	if code := fmt.Sprint(got.StatusCode); fmt.Sprint(want.Dendrite["status_code"]) != code {
		t.Errorf("StatusCode %s, want %v", code, want.Dendrite["status_code"])
	}
	if got.IsSuccess() != (got.Err == nil) {
		t.Errorf("success %v with error %v", got.IsSuccess(), got.Err)
	}
}
