package localnet

// subscriptionMethods are the methods that begin and end subscriptions.
func subscriptionMethods() map[string]rpcMethod {
	m := map[string]rpcMethod{
		"state_subscribeRuntimeVersion":  (*rpcCall).subscribeVersion,
		"chain_subscribeRuntimeVersion":  (*rpcCall).subscribeVersion,
		"state_subscribeStorage":         (*rpcCall).subscribeStorage,
		"author_submitAndWatchExtrinsic": (*rpcCall).submitAndWatch,
	}
	for _, heads := range []struct {
		message string
		names   []string
	}{
		{"chain_newHead", []string{"chain_subscribeNewHead", "chain_subscribeNewHeads", "subscribe_newHead"}},
		{"chain_allHead", []string{"chain_subscribeAllHeads"}},
		{"chain_finalizedHead", []string{"chain_subscribeFinalizedHeads", "chain_subscribeFinalisedHeads"}},
	} {
		for _, name := range heads.names {
			m[name] = func(r *rpcCall, _ params) (any, error) { return r.subscribeHeads(heads.message) }
		}
	}
	for _, name := range []string{
		"chain_unsubscribeNewHead", "chain_unsubscribeNewHeads", "unsubscribe_newHead", "chain_unsubscribeAllHeads",
		"chain_unsubscribeFinalizedHeads", "chain_unsubscribeFinalisedHeads", "state_unsubscribeRuntimeVersion",
		"chain_unsubscribeRuntimeVersion", "state_unsubscribeStorage", "author_unwatchExtrinsic",
	} {
		m[name] = (*rpcCall).unsubscribe
	}
	return m
}

// subscribe makes a subscription whose messages begin after the answer.
func (r *rpcCall) subscribe(message string, setUp func(*subscription)) (*subscription, error) {
	if r.client == nil {
		return nil, &rpcError{Code: codeNoMethod, Message: "Subscriptions are not available on this transport", Data: "connect by WebSocket"}
	}
	s, err := r.client.subscribe(message, setUp)
	if err != nil {
		return nil, err
	}
	r.start = s.start
	return s, nil
}

func (r *rpcCall) subscribeHeads(message string) (any, error) {
	s, err := r.subscribe(message, nil)
	if err != nil {
		return nil, err
	}
	r.chain.mu.RLock()
	h := r.chain.recent.head().header
	r.chain.mu.RUnlock()
	s.push(h, false)
	return s.id, nil
}

func (r *rpcCall) subscribeVersion(params) (any, error) {
	s, err := r.subscribe("state_runtimeVersion", nil)
	if err != nil {
		return nil, err
	}
	s.push(r.rt.versionJSON(), false)
	return s.id, nil
}

func (r *rpcCall) subscribeStorage(p params) (any, error) {
	keys, err := p.keys(0)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, invalidParams("subscribing to all of the storage is not possible; name keys")
	}
	s, err := r.subscribe("state_storage", func(s *subscription) { s.keys = keys })
	if err != nil {
		return nil, err
	}
	err = r.at(nil, 0, func(b *block, st *storage) error {
		set := make([][2]*string, len(keys))
		for i, k := range keys {
			set[i] = keyAndValue(k, st.get(k))
		}
		s.push(changeSet{b.id, set}, false)
		return nil
	})
	return s.id, err
}

func (r *rpcCall) submitAndWatch(p params) (any, error) {
	raw, err := p.bytes(0, "an extrinsic")
	if err != nil {
		return nil, err
	}
	s, err := r.subscribe("author_extrinsicUpdate", func(s *subscription) {
		s.extrinsic = hashOf(raw)
		s.watcher = &watcher{notify: s.push}
	})
	if err != nil {
		return nil, err
	}
	if _, err := r.chain.submit(raw, s.watcher); err != nil {
		s.conn.drop(s.id)
		r.start = nil
		return nil, poolError(err)
	}
	return s.id, nil
}

func (r *rpcCall) unsubscribe(p params) (any, error) {
	var id string
	if err := p.read(0, &id, "a subscription's id"); err != nil {
		return nil, err
	}
	if r.client == nil {
		return false, nil
	}
	s, ok := r.client.drop(id)
	if ok {
		s.finish(r.chain)
	}
	return ok, nil
}
