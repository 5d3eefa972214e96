package store

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

func FuzzReadReports(f *testing.F) {
	f.Add([]byte(`{"seq":1,"answers":[{"uid":1,"reward":1,"prediction":0.5,"status":200}]}`))
	f.Add([]byte("{\"seq\":1,\"answers\":[{\"reward\":2}]}\n\n{\"seq\":2,\"cut"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = ReadReports(bytes.NewReader(data), func(r Report) bool {
			if r.Seq == 0 || r.Seq > math.MaxInt64 {
				t.Errorf("number %d", r.Seq)
			}
			for _, a := range r.Answers {
				if !(a.Reward >= 0 && a.Reward <= 1) || math.IsNaN(a.Prediction) {
					t.Errorf("%+v", a)
				}
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
			return true
		}, func(int, error) {})
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(makeCursor(-5, "id"))
	f.Add("x")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, id, err := parseCursor(cursor)
		if err != nil {
			return
		}
		if again, same, err := parseCursor(makeCursor(at, id)); err != nil || again != at || same != id {
			t.Errorf("%q: %d %q, then %d %q, %v", cursor, at, id, again, same, err)
		}
	})
}

func FuzzKeyID(f *testing.F) {
	f.Add(makeToken(randomText(8)))
	f.Add("bm_")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := KeyID(token)
		if err == nil && (len(id) != keyIDChars || len(token) != keyChars || token[:3+keyIDChars] != keyPrefix+id) {
			t.Errorf("%q has the id %q", token, id)
		}
	})
}
