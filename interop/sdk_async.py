"""The core of what a neuron asks, through the SDK's asynchronous client."""

import asyncio

import bittensor as bt

NETUID = 1


async def asynchronous(scenario):
    r, sync = scenario.r, scenario.s
    with r.step("AsyncSubtensor"):
        async with bt.AsyncSubtensor(network=scenario.rpc) as s:
            block = await s.get_current_block()
            hot = scenario.validator.hotkey.ss58_address
            cold = scenario.validator.coldkeypub.ss58_address
            balance, exists, uid, tempo, burn = await asyncio.gather(
                s.get_balance(cold, block=block), s.subnet_exists(NETUID), s.get_uid_for_hotkey_on_subnet(hot, NETUID),
                s.tempo(NETUID), s.recycle(NETUID))
            r.equal("async: balance", balance.rao, sync.get_balance(cold, block=block).rao)
            r.equal("async: subnet, uid, tempo", (exists, uid, tempo), (True, 1, sync.tempo(NETUID)))
            r.check("async: the price to register", burn.rao > 0, burn)
            theirs = await s.metagraph(NETUID, block=block, lite=False)
            same = sync.metagraph(NETUID, block=block, lite=False)
            r.equal("async: metagraph", (list(theirs.hotkeys), list(theirs.stake), [a.ip for a in theirs.axons]),
                    (list(same.hotkeys), list(same.stake), [a.ip for a in same.axons]))
            neurons, infos, dynamic = await asyncio.gather(
                s.neurons_lite(NETUID), s.get_all_subnets_info(), s.all_subnets())
            r.equal("async: neurons, subnets", (len(neurons), len(infos), len(dynamic)), (3, 2, 2))
            stake = await s.get_stake(cold, hot, NETUID)
            result = await s.add_stake(wallet=scenario.validator, netuid=NETUID, hotkey_ss58=hot, amount=bt.Balance.from_tao(1))
            r.check("async: add_stake", bool(result if isinstance(result, bool) else result[0]), result)
            r.check("async: the stake grew", await s.get_stake(cold, hot, NETUID) > stake)
            extra = {"mechid": 0} if scenario.sdk10 else {}
            result = await s.set_weights(wallet=scenario.validator, netuid=NETUID, uids=[2], weights=[1.0],
                                         wait_for_inclusion=True, wait_for_finalization=True, **extra)
            r.check("async: set_weights", bool(result[0]), result[1])
            row = dict(await s.weights(NETUID))[uid]
            r.equal("async: the weights", [(a, b) for a, b in row], [(2, 65535)])
            hyper = await s.get_subnet_hyperparameters(NETUID)
            r.equal("async: hyperparameters", hyper.tempo, tempo)
            first = await s.get_current_block()
            await s.wait_for_block(first + 2)
            r.check("async: blocks follow", await s.get_current_block() >= first + 2)
