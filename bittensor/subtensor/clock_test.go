package subtensor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// A wrong local clock is told from a right one, by the newest block's timestamp.
func TestClock(t *testing.T) {
	_, url := handMade(t, localnet.Config{BlockTime: 60 * time.Millisecond})
	for _, c := range []struct {
		wrong time.Duration
		want  string
	}{
		{0, ""}, {30 * time.Second, ""}, {-2 * time.Second, ""},
		{10 * time.Minute, "10m0s ahead"}, {-10 * time.Minute, "10m0s behind"}, {-48 * time.Hour, "48h0m0s behind"},
	} {
		client, err := subtensor.Dial(testContext(t), subtensor.Options{Network: url, Now: func() time.Time { return time.Now().Add(c.wrong) }})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithCancel(testContext(t))
		<-client.Blocks(ctx) // genesis has no time
		<-client.Blocks(ctx)
		cancel()
		err = client.CheckClock(testContext(t))
		var clock *subtensor.ClockError
		switch {
		case c.want == "" && err == nil:
		case !errors.As(err, &clock):
			t.Errorf("%v: %v", c.wrong, err)
		case (clock.Skew-c.wrong).Abs() > 20*time.Second || !strings.Contains(roundedTo(clock, c.wrong), c.want):
			t.Errorf("%v: %v", c.wrong, err)
		}
		skew, err := client.ClockSkew(testContext(t))
		if err != nil || (skew-c.wrong).Abs() > 20*time.Second {
			t.Errorf("%v: skew %v, %v", c.wrong, skew, err)
		}
	}
}

// roundedTo takes the age of the newest block out of an error's text.
func roundedTo(e *subtensor.ClockError, skew time.Duration) string {
	exact := *e
	exact.Skew = skew
	return exact.Error()
}

// A submission that fails in a way that a wrong clock may explain names the clock.
func TestFailedSubmissionNamesTheClock(t *testing.T) {
	base := time.Unix(1_900_000_000, 0)
	first, s := recorded(t, 293, nil)
	fixed, err := subtensor.Dial(testContext(t), subtensor.Options{Network: s.URL, Now: func() time.Time { return base }})
	if err != nil {
		t.Fatal(err)
	}
	defer fixed.Close()
	defer first.Close()
	skew, err := fixed.ClockSkew(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	blockTime := base.Add(-skew)
	s.Answer("system_accountNextIndex", 1_000_000)
	dial := func(ahead time.Duration) (*subtensor.Client, func(error)) {
		c, err := subtensor.Dial(testContext(t), subtensor.Options{
			Network: s.URL, RPC: substrate.Options{RetryPause: time.Millisecond}, Now: func() time.Time { return blockTime.Add(ahead) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, func(refusal error) {
			s.Handle("author_submitAndWatchExtrinsic", func([]json.RawMessage) (any, error) { return nil, refusal })
		}
	}
	for _, c := range []struct {
		refusal string
		now     time.Duration
		named   bool
	}{
		{"Transaction has a bad signature", -time.Hour, true},
		{"Transaction has an ancient birth block", time.Hour, true},
		{"Transaction has an ancient birth block", time.Second, false},
		{"Inability to pay some fees", time.Hour, false},
	} {
		client, refuse := dial(c.now)
		refuse(&substrate.RPCError{Code: 1010, Message: "Invalid Transaction", Data: []byte(`"` + c.refusal + `"`)})
		_, err := client.BurnedRegister(testContext(t), key(t, "//Alice"), 2, account(t, bob))
		var clock *subtensor.ClockError
		var refused *substrate.TransactionError
		if !errors.As(err, &refused) || errors.As(err, &clock) != c.named || c.named && clock.Skew != c.now {
			t.Errorf("%s, %v: %v", c.refusal, c.now, err)
		}
	}
}

// A certificate that is out of date by the local clock: the error says what the clock says.
func TestDialNamesTheClock(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	s.StartTLS()
	defer s.Close()
	_, err = subtensor.Dial(testContext(t), subtensor.Options{
		Network: strings.Replace(s.URL, "https", "wss", 1), Now: func() time.Time { return time.Date(2019, 1, 2, 3, 4, 5, 0, time.UTC) },
	})
	if err == nil || !strings.Contains(err.Error(), "the local clock says 2019-01-02T03:04:05Z; try: check the clock") {
		t.Errorf("%v", err)
	}
}
