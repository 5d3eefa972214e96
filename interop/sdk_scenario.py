"""What a neuron does with the Python SDK, generations 9 and 10, from connecting to
revealing weights; each outcome is compared with the chain's state."""

import time

import bittensor as bt
from bittensor_wallet import Keypair, Wallet

from sdk_checks import bitmind

NETUID = 1
RAO = 1_000_000_000


def outcome(result):
    """(success, message) of what the SDK's calls return: a bool in SDK 9 for some, a
    pair for others, an object that is a pair too in SDK 10."""
    if isinstance(result, bool):
        return result, ""
    return bool(result[0]), str(result[1])


def keypair(uri):
    return Keypair.create_from_uri(uri)


def wallet(folder, cold, hot):
    """A wallet on disk whose keys are derived from development phrases."""
    w = Wallet(name=cold.strip("/"), hotkey=hot.strip("/").replace("/", "-"), path=str(folder))
    w.set_coldkey(keypair(cold), encrypt=False, overwrite=True)
    w.set_coldkeypub(keypair(cold), overwrite=True)
    w.set_hotkey(keypair(hot), encrypt=False, overwrite=True)
    return w


class Scenario:
    def __init__(self, report, rpc, program, folder, spec=381):
        self.r, self.rpc, self.program, self.spec = report, rpc, program, spec
        self.sdk10 = int(bt.__version__.split(".")[0]) >= 10
        bt.logging.off()
        self.s = bt.Subtensor(network=rpc)
        self.alice = wallet(folder, "//Alice", "//Alice")
        self.validator = wallet(folder, "//Bob", "//Bob//validator")
        self.miner = wallet(folder, "//Charlie", "//Charlie//miner")
        self.once = {"max_attempts": 1} if self.sdk10 else {"max_retries": 1}
        self.poor = wallet(folder, "//Nobody", "//Nobody")

    # Small tools.

    def send(self, signer, module, function, params, sign_with="coldkey", sudo=False):
        """Submits any call; (success, message)."""
        call = self.s.substrate.compose_call(module, function, params)
        if sudo:
            call = self.s.substrate.compose_call("Sudo", "sudo", {"call": call})
        return outcome(self.s.sign_and_send_extrinsic(
            call=call, wallet=signer, sign_with=sign_with, wait_for_inclusion=True, wait_for_finalization=False))

    def admin(self, function, **params):
        """Changes a setting as the subnet's owner's root."""
        ok, why = self.send(self.alice, "AdminUtils", function, params, sudo=True)
        if not ok:
            raise RuntimeError(f"{function}: {why}")

    def storage(self, item, *params, block=None):
        v = self.s.query_subtensor(item, block=block, params=list(params))
        return getattr(v, "value", v)

    def rao(self, w, block=None):
        return self.s.get_balance(w.coldkeypub.ss58_address, block=block).rao

    def uid(self, w):
        return self.s.get_uid_for_hotkey_on_subnet(w.hotkey.ss58_address, NETUID)

    def refused(self, what, result, *names):
        """A call must fail with the name of one of the chain's errors."""
        success, message = outcome(result)
        self.r.check(f"{what} is refused as {names[0]}", not success and any(n in message for n in names),
                     f"success {success}, message {message!r}")

    def wait_until(self, what, probe, blocks=60):
        until = self.s.get_current_block() + blocks
        while self.s.get_current_block() < until:
            if probe():
                return
            time.sleep(0.2)
        raise RuntimeError(f"{what}: not within {blocks} blocks")

    # The parts.

    def run(self):
        for part in (self.connect, self.transfers, self.register, self.stakes, self.serve, self.weights,
                     self.refusals, self.metagraph, self.subnets, self.commit_reveal, self.blocks):
            with self.r.step(part.__name__):
                part()

    def connect(self):
        r, s = self.r, self.s
        first = s.get_current_block()
        r.check("connect, current block", first >= 0 and s.block >= first)
        s.wait_for_block(first + 2)
        r.check("blocks follow", s.get_current_block() >= first + 2)
        r.check("block hash", s.get_block_hash(first).startswith("0x") and s.get_block_hash(first) != s.get_block_hash(first + 1))
        r.check("subnets listed", NETUID in (s.get_all_subnets_netuid() if self.sdk10 else s.get_subnets()))
        r.equal("the runtime's version", s.substrate.get_block_runtime_info(s.get_block_hash())["specVersion"], self.spec)

    def transfers(self):
        r, s = self.r, self.s
        address = self.poor.coldkeypub.ss58_address
        before, block = self.rao(self.alice), s.get_current_block()
        amount = bt.Balance.from_tao(2)
        to = {"destination_ss58" if self.sdk10 else "dest": address}
        fee = s.get_transfer_fee(self.alice, amount=amount, **to) if self.sdk10 else s.get_transfer_fee(
            wallet=self.alice, dest=address, value=amount)
        result = s.transfer(wallet=self.alice, amount=amount, wait_for_inclusion=True, wait_for_finalization=False, **to)
        r.check("transfer", outcome(result)[0], outcome(result)[1])
        r.equal("the receiver has it", self.rao(self.poor), 2 * RAO)
        paid = before - self.rao(self.alice)
        # One rao a byte, and the nonce may take a byte more than the SDK reckoned with.
        r.check("the fee told before is the fee paid", 0 <= paid - 2 * RAO - fee.rao <= 2, f"paid {paid - 2 * RAO}, told {fee.rao}")
        r.equal("balance at a past block", self.rao(self.alice, block=block), before)
        if not self.sdk10:
            return
        receipt = result.extrinsic_receipt
        names = [e["event"]["event_id"] for e in (x if isinstance(x, dict) else x.value for x in receipt.triggered_events)]
        r.check("the receipt", receipt.is_success and receipt.extrinsic_idx > 0 and receipt.error_message is None,
                f"{receipt.is_success} {receipt.extrinsic_idx} {receipt.error_message}")
        r.check("its block", s.substrate.get_block_number(receipt.block_hash) > block, receipt.block_hash)
        r.check("its events", "Transfer" in names and "TransactionFeePaid" in names and "ExtrinsicSuccess" in names, names)
        r.equal("its fee", receipt.total_fee_amount, paid - 2 * RAO)
        r.check("the response's fee", abs(result.extrinsic_fee.rao - fee.rao) <= 2, f"{result.extrinsic_fee.rao}, {fee.rao}")

    def register(self):
        r, s = self.r, self.s
        for w in (self.validator, self.miner):
            burn, before = s.recycle(NETUID).rao, self.rao(w)
            result = s.burned_register(wallet=w, netuid=NETUID)
            r.check(f"burned_register {w.name}", outcome(result)[0], outcome(result)[1])
            hotkey = w.hotkey.ss58_address
            r.check(f"{w.name} has a uid", s.is_hotkey_registered(hotkey, netuid=NETUID) and self.uid(w) is not None)
            r.equal(f"{w.name}'s owner", s.get_hotkey_owner(hotkey), w.coldkeypub.ss58_address)
            fee = before - self.rao(w) - burn
            r.check(f"{w.name} paid the price and a fee", 0 <= fee < RAO // 100, f"{fee} rao above the price {burn}")
        r.equal("the uids", [self.uid(w) for w in (self.validator, self.miner)], [1, 2])
        r.equal("netuids of the hotkey", s.get_netuids_for_hotkey(self.miner.hotkey.ss58_address), [NETUID])

    def stakes(self):
        r, s = self.r, self.s
        w, hotkey = self.validator, self.validator.hotkey.ss58_address
        cold = w.coldkeypub.ss58_address
        args = dict(wallet=w, netuid=NETUID, hotkey_ss58=hotkey)
        before = self.rao(w)
        price = s.subnet(NETUID).price
        result = s.add_stake(amount=bt.Balance.from_tao(50), **args)
        r.check("add_stake", outcome(result)[0], outcome(result)[1])
        stake = s.get_stake(cold, hotkey, NETUID)
        spent = before - self.rao(w)
        r.check("it cost what was staked and a fee", 50 * RAO <= spent < 50.1 * RAO, spent)
        # The price moves against the buyer; nobody else trades.
        r.check("the stake is worth it", 0.9 * 50 / float(price) < stake.tao <= 50 / float(price) * 1.01, f"{stake} at {price}")
        result = s.add_stake(amount=bt.Balance.from_tao(50), safe_staking=True, rate_tolerance=0.5, **args)
        r.check("add_stake within a limit", outcome(result)[0], outcome(result)[1])
        more = s.get_stake(cold, hotkey, NETUID)
        r.check("the stake grew", more > stake, f"{stake} to {more}")
        result = s.add_stake(amount=bt.Balance.from_tao(400), safe_staking=True, rate_tolerance=0.0001, **args)
        if self.sdk10:
            self.refused("a purchase beyond its limit", result, "SlippageTooHigh", "Slippage", "slippage")
        else:
            r.check("a purchase beyond its limit is refused", not outcome(result)[0])
        before = self.rao(w)
        result = s.unstake(amount=bt.Balance.from_tao(10).set_unit(NETUID), **args)
        r.check("unstake", outcome(result)[0], outcome(result)[1])
        gained, less = self.rao(w) - before, s.get_stake(cold, hotkey, NETUID)
        r.check("it paid", 9 * RAO < gained < 13 * RAO, gained)
        r.check("the stake shrank", less < more, f"{more} to {less}")
        result = s.unstake(amount=bt.Balance.from_tao(1).set_unit(NETUID), **{"safe_unstaking" if self.sdk10 else "safe_staking": True}, rate_tolerance=0.5, **args)
        r.check("unstake within a limit", outcome(result)[0], outcome(result)[1])
        infos = s.get_stake_info_for_coldkey(cold) if self.sdk10 else s.get_stake_for_coldkey(cold)
        mine = [i for i in infos if i.netuid == NETUID and i.hotkey_ss58 == hotkey]
        r.check("stake info", len(mine) == 1 and mine[0].is_registered and mine[0].coldkey_ss58 == cold, infos)
        by_hotkey = s.get_stake_for_coldkey_and_hotkey(coldkey_ss58=cold, hotkey_ss58=hotkey)
        r.check("stake by hotkey", by_hotkey[NETUID].stake.rao >= less.rao - 2 * RAO and by_hotkey[0].stake.rao == 0, by_hotkey)
        if not self.sdk10:
            return
        amount = bt.Balance.from_tao(7)
        swap = s.sim_swap(0, NETUID, amount)
        receipt = s.add_stake(amount=amount, **args).extrinsic_receipt
        added = [e for e in receipt.triggered_events if e["event"]["event_id"] == "StakeAdded"][0]["event"]["attributes"]
        # A block between the two adds emission to the pool, which hardly moves the price.
        r.within("sim_swap foretells the alpha", swap.alpha_amount.rao, added[3], 1e-3)
        r.equal("sim_swap foretells the fee", swap.tao_fee.rao, added[5])
        r.equal("the told stake fee", s.get_stake_add_fee(amount, NETUID).rao, added[5])

    def serve(self):
        r, s = self.r, self.s
        axon = bt.Axon(wallet=self.miner, ip="127.0.0.1", port=18091, external_ip="203.0.113.7", external_port=8091)
        result = s.serve_axon(netuid=NETUID, axon=axon)
        r.check("serve_axon", outcome(result)[0], outcome(result)[1])
        info = s.get_neuron_for_pubkey_and_subnet(self.miner.hotkey.ss58_address, NETUID).axon_info
        r.equal("the chain has the address", (info.ip, info.port), ("203.0.113.7", 8091))
        axon.external_port = 8092
        axon.serve(netuid=NETUID, subtensor=s)
        info = s.get_neuron_for_pubkey_and_subnet(self.miner.hotkey.ss58_address, NETUID).axon_info
        r.equal("Axon.serve", (info.ip, info.port, info.hotkey), ("203.0.113.7", 8092, self.miner.hotkey.ss58_address))

    def weights(self):
        r, s = self.r, self.s
        uid = self.uid(self.validator)
        self.wait_until("a validator's permit", lambda: self.storage("ValidatorPermit", NETUID)[uid])
        extra = {"mechid": 0} if self.sdk10 else {}
        result = s.set_weights(wallet=self.validator, netuid=NETUID, uids=[0, 2], weights=[0.25, 1.0],
                               wait_for_inclusion=True, wait_for_finalization=True, **extra)
        r.check("set_weights", outcome(result)[0], outcome(result)[1])
        want = [(0, 16384), (2, 65535)]
        r.equal("the chain has the weights", [(u, w) for u, w in self.storage("Weights", NETUID, uid)], want)
        rows = dict(s.weights(NETUID))
        r.equal("the SDK reads them", [(u, w) for u, w in rows[uid]], want)
        if self.sdk10:
            r.equal("by the mechanism's call", result.extrinsic.value["call"]["call_function"], "set_mechanism_weights")
        self.wait_until("an incentive", lambda: self.storage("Incentive", NETUID)[2] > 0)
        r.ok("the miner earns")

    def refusals(self):
        r, s = self.r, self.s
        # The SDK looks before it asks; what the chain says is seen by asking without it.
        self.refused("registering on no subnet", self.send(
            self.miner, "SubtensorModule", "burned_register", {"netuid": 77, "hotkey": self.miner.hotkey.ss58_address}),
            "SubnetNotExists", "SubNetworkDoesNotExist")
        self.refused("registering twice", self.send(
            self.miner, "SubtensorModule", "burned_register", {"netuid": NETUID, "hotkey": self.miner.hotkey.ss58_address}),
            "HotKeyAlreadyRegisteredInSubNet")
        self.refused("staking more than there is", self.send(
            self.poor, "SubtensorModule", "add_stake",
            {"netuid": NETUID, "hotkey": self.miner.hotkey.ss58_address, "amount_staked": 500 * RAO}),
            "NotEnoughBalanceToStake", "Custom error: 2")
        self.refused("transferring more than there is", self.send(
            self.poor, "Balances", "transfer_keep_alive",
            {"dest": self.alice.coldkeypub.ss58_address, "value": 500 * RAO}), "FundsUnavailable", "Unknown")
        if self.sdk10:
            self.refused("the SDK's own burned_register without money", s.burned_register(
                wallet=wallet(self.poor.path, "//Nothing", "//Nothing"), netuid=NETUID), "Insufficient balance", "balance")
        self.admin("sudo_set_weights_set_rate_limit", netuid=NETUID, weights_set_rate_limit=1000)
        self.refused("weights too fast", self.send(
            self.validator, "SubtensorModule", "set_weights",
            {"netuid": NETUID, "dests": [2], "weights": [65535], "version_key": 0}, sign_with="hotkey"),
            "SettingWeightsTooFast", "Custom error: 4")
        extra = {"mechid": 0} if self.sdk10 else {}
        result = s.set_weights(wallet=self.validator, netuid=NETUID, uids=[2], weights=[1.0], **self.once, **extra)
        r.check("the SDK refuses weights too fast", not outcome(result)[0], outcome(result)[1])
        self.admin("sudo_set_weights_set_rate_limit", netuid=NETUID, weights_set_rate_limit=0)

    def metagraph(self):
        from sdk_metagraph import compare
        compare(self)

    def subnets(self):
        r, s = self.r, self.s
        block = s.get_current_block()
        at = lambda item, *p: self.storage(item, *p, block=block)
        hyper = s.get_subnet_hyperparameters(NETUID, block=block)
        for field, item in (("tempo", "Tempo"), ("rho", "Rho"), ("kappa", "Kappa"), ("immunity_period", "ImmunityPeriod"),
                            ("min_allowed_weights", "MinAllowedWeights"), ("max_validators", "MaxAllowedValidators"),
                            ("activity_cutoff", "ActivityCutoff"), ("weights_rate_limit", "WeightsSetRateLimit"),
                            ("weights_version", "WeightsVersionKey"), ("serving_rate_limit", "ServingRateLimit"),
                            ("min_burn", "MinBurn"), ("max_burn", "MaxBurn"), ("difficulty", "Difficulty"),
                            ("adjustment_alpha", "AdjustmentAlpha"), ("adjustment_interval", "AdjustmentInterval"),
                            ("bonds_moving_avg", "BondsMovingAverage"), ("max_regs_per_block", "MaxRegistrationsPerBlock"),
                            ("target_regs_per_interval", "TargetRegistrationsPerInterval"),
                            ("registration_allowed", "NetworkRegistrationAllowed"),
                            ("commit_reveal_weights_enabled", "CommitRevealWeightsEnabled"),
                            ("commit_reveal_period", "RevealPeriodEpochs"), ("liquid_alpha_enabled", "LiquidAlphaOn")):
            got = getattr(hyper, field)
            r.equal(f"hyperparameter {field}", getattr(got, "rao", got), at(item, NETUID))
        info, every = s.get_subnet_info(NETUID, block=block), s.get_all_subnets_info(block=block)
        r.equal("subnet info", (info.netuid, info.subnetwork_n, info.max_n, info.tempo, info.owner_ss58, info.burn.rao),
                (NETUID, 3, at("MaxAllowedUids", NETUID), at("Tempo", NETUID), self.alice.coldkeypub.ss58_address, at("Burn", NETUID)))
        r.equal("all subnets info", [i.netuid for i in every], [0, NETUID])
        dynamic = s.subnet(NETUID, block=block)
        r.equal("dynamic info", (dynamic.tao_in.rao, dynamic.alpha_in.rao, dynamic.alpha_out.rao, dynamic.subnet_name, dynamic.symbol),
                (at("SubnetTAO", NETUID), at("SubnetAlphaIn", NETUID), at("SubnetAlphaOut", NETUID), "localnet", "α"))
        r.within("its price", float(dynamic.price), at("SubnetTAO", NETUID) / at("SubnetAlphaIn", NETUID), 0.02)
        r.equal("all subnets", [d.netuid for d in s.all_subnets(block=block)], [0, NETUID])
        r.equal("burn cost of a subnet", s.get_subnet_burn_cost(block=block).rao, self.storage("NetworkMinLockCost", block=block))
        if self.sdk10:
            r.within("its told price", s.get_subnet_price(NETUID, block=block).tao, float(dynamic.price), 0.02)
            r.equal("told prices", sorted(s.get_subnet_prices(block=block)), [0, NETUID])

    def commit_reveal(self):
        r, s = self.r, self.s
        self.admin("sudo_set_commit_reveal_weights_enabled", netuid=NETUID, enabled=True)
        r.check("commit-reveal is on", s.commit_reveal_enabled(NETUID))
        # A long epoch, from its beginning: what is too early must be tried before its end.
        usual, tempo = self.storage("Tempo", NETUID), 40
        self.admin("sudo_set_tempo", netuid=NETUID, tempo=tempo)
        epoch = lambda b: (b + NETUID + 1) // (tempo + 1)
        self.wait_until("the beginning of an epoch", lambda: epoch(s.get_current_block()) > epoch(s.get_current_block() - 5))
        version, salt = 0, [3, 1, 4, 1, 5, 9, 2, 6]
        args = dict(wallet=self.validator, netuid=NETUID, salt=salt, uids=[0, 2], weights=[7, 65535], version_key=version,
                    wait_for_inclusion=True, wait_for_finalization=True, **self.once)
        uid = self.uid(self.validator)
        before = self.storage("Weights", NETUID, uid)
        self.refused("setting weights in the open", self.send(
            self.validator, "SubtensorModule", "set_weights",
            {"netuid": NETUID, "dests": [2], "weights": [65535], "version_key": 0}, sign_with="hotkey"), "CommitRevealEnabled", "Custom error")
        result = s.commit_weights(**args)
        r.check("commit_weights", outcome(result)[0], outcome(result)[1])
        commits = self.storage("WeightCommits", NETUID, self.validator.hotkey.ss58_address)
        r.check("the chain holds the commit", commits and len(commits) == 1, commits)
        r.equal("the weights wait", self.storage("Weights", NETUID, uid), before)
        reveal = {"netuid": NETUID, "uids": [0, 2], "values": [7, 65535], "salt": salt, "version_key": version}
        # By the call itself: SDK 9 repeats a reveal that is refused for ever.
        self.refused("revealing too early", self.send(
            self.validator, "SubtensorModule", "reveal_weights", reveal, sign_with="hotkey"), "RevealTooEarly", "Custom error: 17")
        if self.sdk10:
            self.refused("the SDK's reveal_weights too early", s.reveal_weights(**args), "RevealTooEarly", "Custom error: 17")
        made = commits[0][1]
        self.wait_until("the reveal's epoch", lambda: epoch(s.get_current_block() + 1) > epoch(made))
        self.refused("revealing other weights", self.send(
            self.validator, "SubtensorModule", "reveal_weights", dict(reveal, values=[8, 65535]), sign_with="hotkey"),
            "InvalidRevealCommitHashNotMatch", "Custom error: 16")
        result = s.reveal_weights(**args)
        r.check("reveal_weights", outcome(result)[0], outcome(result)[1])
        r.equal("the chain has them", [(u, w) for u, w in self.storage("Weights", NETUID, uid)], [(0, 7), (2, 65535)])
        r.check("the commit is gone", not self.storage("WeightCommits", NETUID, self.validator.hotkey.ss58_address))
        self.admin("sudo_set_commit_reveal_weights_enabled", netuid=NETUID, enabled=False)
        self.admin("sudo_set_tempo", netuid=NETUID, tempo=usual)

    def blocks(self):
        r, s = self.r, self.s
        heads = []

        def seen(head, update_nr=None, subscription_id=None):
            heads.append(head["header"]["number"])
            return heads if len(heads) == 3 else None

        bt.Subtensor(network=self.rpc).substrate.subscribe_block_headers(seen)
        r.check("subscribed heads come in order", len(heads) == 3 and heads == sorted(set(heads)), heads)
        block = s.get_current_block()
        body = s.substrate.get_block(s.get_block_hash(block))
        calls = [x.value["call"]["call_function"] if hasattr(x, "value") else x["call"]["call_function"] for x in body["extrinsics"]]
        r.check("a block's extrinsics decode", calls[0] == "set" and body["header"]["number"] == block, calls)
        then = s.get_timestamp(block).timestamp()
        r.check("its timestamp is now", abs(time.time() - then) < 30, then)
        events = s.substrate.get_events(s.get_block_hash(block))
        r.check("its events decode", len(events) > 0 and "ExtrinsicSuccess" in str(events))
        if hasattr(s, "get_block_info"):
            info = s.get_block_info(block=block)
            r.equal("block info", (info.number, info.hash), (block, s.get_block_hash(block)))
