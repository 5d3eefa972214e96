package localnet

import (
	"context"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"sync"
)

// answerBatch handles a list of requests. They are handled in order, except
// that submissions that follow each other are checked side by side: that is
// where the time goes.
func (c *Chain) answerBatch(ctx context.Context, message []byte, from caller, reply func([]byte)) bool {
	var batch []json.RawMessage
	if err := json.Unmarshal(message, &batch); err != nil {
		reply(encode(failure(nil, codeParse, "Parse error")))
		return true
	}
	switch {
	case len(batch) == 0:
		reply(encode(failure(nil, codeInvalidRequest, "Invalid request")))
		return true
	case len(batch) > maxRequestsBatch:
		r := failure(nil, codeBatchTooLong, "The batch request was too large")
		r.Error.Data = fmt.Sprintf("Exceeded max limit of %d", maxRequestsBatch)
		reply(encode(r))
		return true
	}
	items := make([]batchItem, len(batch))
	for i, m := range batch {
		items[i].req, items[i].resp = parseRequest(m)
	}
	size := 0
	for i := 0; i < len(items); {
		end := i + 1
		for items[i].submission() && end < len(items) && items[end].submission() {
			end++
		}
		c.handleAll(ctx, items[i:end], from)
		for ; i < end; i++ {
			if r := items[i].resp; r != nil {
				size += len(r.Result)
			}
		}
		if size > maxAnswer {
			r := failure(nil, codeBatchAnswerSize, "The batch response was too large")
			r.Error.Data = fmt.Sprintf("Exceeded max limit of %d", maxAnswer)
			reply(encode(r))
			return true
		}
	}
	var responses []*response
	for i := range items {
		if items[i].resp != nil {
			responses = append(responses, items[i].resp)
		}
	}
	if len(responses) == 0 {
		return false
	}
	reply(encode(responses))
	for i := range items {
		if items[i].start != nil {
			items[i].start()
		}
	}
	return true
}

// batchItem is one request of a batch with its answer, which is there already
// if the request is none.
type batchItem struct {
	req   request
	resp  *response
	start func()
}

func (b *batchItem) submission() bool {
	return b.resp == nil && b.req.Method == "author_submitExtrinsic"
}

func (c *Chain) handleAll(ctx context.Context, items []batchItem, from caller) {
	var wg sync.WaitGroup
	workers := make(chan struct{}, goruntime.GOMAXPROCS(0))
	for i := range items {
		b := &items[i]
		if b.resp != nil {
			continue
		}
		if len(items) == 1 {
			b.resp, b.start = c.handle(ctx, b.req, from)
			return
		}
		workers <- struct{}{}
		wg.Go(func() {
			defer func() { <-workers }()
			b.resp, b.start = c.handle(ctx, b.req, from)
		})
	}
	wg.Wait()
}
