package localnet

// idleCalls are calls that the runtimes kept when they had nothing left to
// do, and those that only builds for development have.
func idleCalls() map[string]callFunc {
	idle := func(*env, origin, args) error { return nil }
	return map[string]callFunc{
		"SubtensorModule.become_delegate": idle,
		"SubtensorModule.set_tao_weights": idle,
		"SubtensorModule.faucet":          func(e *env, _ origin, _ args) error { return e.fail("FaucetDisabled") },
	}
}
