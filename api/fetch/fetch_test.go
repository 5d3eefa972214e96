package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server answers on loopback; its port is the only one that AllowAddress permits.
func server(t *testing.T, handler http.HandlerFunc) (url string, at netip.AddrPort) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL, netip.MustParseAddrPort(s.Listener.Addr().String())
}

func only(at netip.AddrPort) func(netip.AddrPort) bool {
	return func(other netip.AddrPort) bool { return other == at }
}

func newFetcher(t *testing.T, cfg Config) *Fetcher {
	t.Helper()
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func get(t *testing.T, f *Fetcher, url string) ([]byte, error) {
	t.Helper()
	reply, err := f.Get(t.Context(), url)
	if err != nil {
		return nil, err
	}
	defer reply.Close()
	return io.ReadAll(reply)
}

func TestGet(t *testing.T) {
	url, at := server(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Cookie", "Referer", "Authorization"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s was sent", name)
			}
		}
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/photo", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		io.WriteString(w, "picture "+r.Header.Get("Accept-Encoding"))
	})
	f := newFetcher(t, Config{AllowAddress: only(at)})
	for _, path := range []string{"/photo", "/away"} {
		if data, err := get(t, f, url+path); err != nil || string(data) != "picture identity" {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	reply, err := f.Get(t.Context(), url)
	if err != nil || reply.Type != "image/png" || reply.Length != int64(len("picture identity")) {
		t.Fatalf("%+v, %v", reply, err)
	}
	reply.Close()
}

// Nothing here is a name: all are refused before anything is sent.
func TestRefusedAddresses(t *testing.T) {
	f := newFetcher(t, Config{Resolver: failing{t}})
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.0.1",
		"100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "192.88.99.1",
		"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"[::1]", "[::]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]",
		"[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2001:2::1]", "[2001:20::1]", "[100::1]", "[5f00::1]",
		"127.0.0.1.",
		// Forms of 127.0.0.1 that some programs take.
		"2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0x7f.0x0.0x0.0x1", "00000127.0.0.1", "1.2.3.0x", "999.1.1.1",
	} {
		for _, scheme := range []string{"http", "https"} {
			url := scheme + "://" + host + "/photo.jpg"
			if _, err := get(t, f, url); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v, want it refused", url, err)
			}
			if err := f.Check(url); !errors.Is(err, ErrRefused) {
				t.Errorf("checking %s: %v, want it refused", url, err)
			}
			if _, err := f.Post(t.Context(), url, nil, nil); !errors.Is(err, ErrRefused) {
				t.Errorf("posting to %s: %v, want it refused", url, err)
			}
		}
	}
	for _, url := range []string{
		"", "photo.jpg", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "data:image/png;base64,eA==",
		"http:///x", "http:example.com", "http://", "http://user@example.com/", "http://user:pw@example.com/", "http://:pw@example.com/",
		"http://example.com:22/", "https://example.com:8443/", "http://example.com:0/", "http://example.com:99999/", "http://8.8.8.8:25/",
		"http://[fe80::1%25eth0]/", "http://a b/", "http://%zz/", "http://" + strings.Repeat("a", 300) + "/", "http://exa%6dple.com:22/",
	} {
		if err := f.Check(url); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v, want it refused", url, err)
		}
	}
	for _, url := range []string{"http://example.com/a.jpg", "https://example.com", "http://example.com:443/", "https://8.8.8.8/", "http://[2606:4700::1]/", "HTTP://EXAMPLE.com./x"} {
		if err := f.Check(url); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// failing is asked for no name.
type failing struct{ t *testing.T }

func (r failing) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.t.Errorf("%s was looked up", host)
	return nil, errors.New("no")
}

// names gives the addresses of names, other ones each time where there are several
// lists.
type names struct {
	lists map[string][]string
	asked atomic.Int32
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	turn := int(n.asked.Add(1)) - 1
	list, ok := n.lists[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addrs []netip.Addr
	for text := range strings.SplitSeq(list[min(turn, len(list)-1)], " ") {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// A name that points at a private address, with all its addresses or with some, in
// whatever form, is not connected to.
func TestNamesOfPrivateAddresses(t *testing.T) {
	var reached atomic.Int32
	_, at := server(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	n := &names{lists: map[string][]string{
		"local.test": {"127.0.0.1"}, "mapped.test": {"::ffff:127.0.0.1"}, "six.test": {"::1"}, "meta.test": {"169.254.169.254"},
		"many.test": {"127.0.0.1 10.0.0.1 ::1 fd00:ec2::254"}, "nat64.test": {"64:ff9b::7f00:1"},
	}}
	f := newFetcher(t, Config{Resolver: n})
	for name := range n.lists {
		_, err := get(t, f, "http://"+name+"/")
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, err := get(t, f, fmt.Sprintf("http://local.test:%d/", at.Port())); !errors.Is(err, ErrRefused) {
		t.Errorf("another port: %v", err)
	}
	if _, err := get(t, f, "http://none.test/"); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "no host none.test") {
		t.Errorf("a name that is not there: %v", err)
	}
	if reached.Load() != 0 {
		t.Error("the private server was reached")
	}
}

// DNS rebinding: what a name's address is when it is connected to counts, and it is
// asked for once a connection.
func TestRebinding(t *testing.T) {
	var reached, secret atomic.Int32
	public, at := server(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "http://"+r.Host+"/secret", http.StatusFound)
		}
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(public, "http://"), ":")
	// 127.0.0.2 answers too: a private server on the same port.
	private, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skip("no second loopback address")
	}
	defer private.Close()
	go http.Serve(private, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { secret.Add(1) }))

	n := &names{lists: map[string][]string{"rebind.test": {"127.0.0.1", "127.0.0.2"}}}
	f := newFetcher(t, Config{Resolver: n, AllowAddress: only(at)})
	if _, err := get(t, f, "http://rebind.test:"+port+"/"); err != nil || reached.Load() != 1 || n.asked.Load() != 1 {
		t.Fatalf("%v, reached %d times, asked %d times; want once", err, reached.Load(), n.asked.Load())
	}
	// The second answer is private: also within one fetch, by a redirect to the name.
	if _, err := get(t, f, "http://rebind.test:"+port+"/"); !errors.Is(err, ErrRefused) {
		t.Errorf("after the name moved: %v, want it refused", err)
	}
	n.asked.Store(0)
	if _, err := get(t, f, "http://rebind.test:"+port+"/again"); !errors.Is(err, ErrRefused) {
		t.Errorf("a redirect to the name that moved: %v, want it refused", err)
	}
	if secret.Load() != 0 {
		t.Error("the private server was reached")
	}
}

func TestRedirects(t *testing.T) {
	var reached atomic.Int32
	private, _ := server(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	target := ""
	url, at := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusFound)
			return
		}
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	f := newFetcher(t, Config{AllowAddress: only(at)})
	for _, target = range []string{
		private + "/", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data/",
		"http://2130706433/", "http://0177.0.0.1/", "file:///etc/passwd", "ftp://example.com/", "//127.0.0.1/", "http://user:pw@example.com/", "gopher://x/",
	} {
		if _, err := get(t, f, url); !errors.Is(err, ErrRefused) {
			t.Errorf("redirect to %s: %v, want it refused", target, err)
		}
	}
	if _, err := get(t, f, url+"/loop"); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "more than 5 redirects") {
		t.Errorf("a loop: %v", err)
	}
	if reached.Load() != 0 {
		t.Error("the private server was reached")
	}
	target = private
	if status, err := f.Post(t.Context(), url, http.Header{"X-A": {"b"}}, []byte("{}")); err != nil || status != http.StatusTemporaryRedirect || reached.Load() != 0 {
		t.Errorf("posting: status %d, %v; want the redirect told and not followed", status, err)
	}
}

func TestLimits(t *testing.T) {
	stop := make(chan struct{})
	var bomb bytes.Buffer // a few kB that become 4 MB
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 4<<20)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	url, at := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/declared":
			w.Header().Set("Content-Length", "1001")
			w.Write(make([]byte, 1001))
		case "/chunked":
			for range 11 {
				w.Write(make([]byte, 100))
				w.(http.Flusher).Flush()
			}
		case "/exact":
			w.Write(make([]byte, 1000))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes()[:900])
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write([]byte("small"))
			z.Close()
		case "/nogzip":
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "plain")
		case "/br":
			w.Header().Set("Content-Encoding", "br")
		case "/cut":
			w.Header().Set("Content-Length", "500")
			io.WriteString(w, "cut")
		case "/missing":
			http.Error(w, "no", http.StatusNotFound)
		case "/drip":
			for {
				if _, err := w.Write([]byte{'x'}); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		case "/stall":
			w.Write([]byte("begun"))
			w.(http.Flusher).Flush()
			<-stop
		case "/silent":
			<-stop
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", 200<<10))
		}
	})
	t.Cleanup(func() { close(stop) }) // before the server's, which waits for its handlers
	f := newFetcher(t, Config{AllowAddress: only(at), MaxBytes: 1000, Idle: time.Second, Time: 3 * time.Second})
	for path, want := range map[string]error{
		"/declared": ErrTooLarge, "/chunked": ErrTooLarge, "/bomb": ErrTooLarge, "/exact": nil, "/gzip": nil,
		"/nogzip": ErrFailed, "/br": ErrFailed, "/cut": ErrFailed, "/missing": ErrFailed, "/drip": ErrFailed, "/stall": ErrFailed,
		"/silent": ErrFailed, "/headers": ErrFailed,
	} {
		data, err := get(t, f, url+path)
		if !errors.Is(err, want) || want == nil && len(data) == 0 {
			t.Errorf("%s: %d bytes, %v; want %v", path, len(data), err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Get(ctx, url+"/silent"); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

func TestExceptions(t *testing.T) {
	url, at := server(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") })
	port := fmt.Sprint(at.Port())
	n := &names{lists: map[string][]string{"nas": {"127.0.0.1"}, "other": {"127.0.0.1"}}}
	for _, test := range []struct{ allow, url string }{
		{"127.0.0.1", url}, {"127.0.0.1:" + port, url}, {"127.0.0.0/8", url}, {"nas", "http://nas:" + port}, {"NAS:" + port, "http://nas:" + port},
	} {
		f := newFetcher(t, Config{Allow: []string{test.allow}, Resolver: n})
		if data, err := get(t, f, test.url); err != nil || string(data) != "inside" {
			t.Errorf("--fetch.allow %s, %s: %q, %v", test.allow, test.url, data, err)
		}
		for _, url := range []string{"http://other:" + port, "http://10.0.0.1", "http://[::1]:" + port} {
			if _, err := get(t, f, url); test.url != url && !errors.Is(err, ErrRefused) && !(url == "http://other:"+port && test.url == "http://127.0.0.1:"+port) {
				t.Errorf("--fetch.allow %s lets %s through: %v", test.allow, url, err)
			}
		}
	}
	for _, bad := range []string{"", "http://x", "a b", "*", "x:0", "x:99999", "10.0.0.0/33", "u@h"} {
		if _, err := New(Config{Allow: []string{bad}}); err == nil {
			t.Errorf("--fetch.allow %q is taken", bad)
		}
	}
}

// A refusal names what would let the address through, of who asked.
func TestRefusalsNameTheOption(t *testing.T) {
	for want, cfg := range map[string]Config{
		"; try: send the picture itself":                                 {},
		"; try: wait, or start the server with --webhook.allow 10.0.0.1": {Option: "--webhook.allow", Instead: "wait"},
	} {
		if err := newFetcher(t, cfg).Check("http://10.0.0.1/x"); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v; want …%s", err, want)
		}
	}
}

// FuzzCheck: whatever the address, what is let through names a host that could be
// public, without a user.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"http://example.com/", "http://127.0.0.1", "http://[::ffff:7f00:1]:80", "http://0x7f.1/", "http://a@b", "https://x:444/"} {
		f.Add(s)
	}
	fetcher, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := fetcher.parse(address)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v", address, err)
			}
			return
		}
		if u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q was let through", address)
		}
		if addr, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), ".")); err == nil && !public(addr) {
			t.Errorf("%q is not public", address)
		}
	})
}
