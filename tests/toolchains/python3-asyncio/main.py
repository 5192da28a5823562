"""The event loop: subprocesses, a server on a UNIX socket, threads, signals, standard input."""

import asyncio
import os
import signal
import sys


async def upper(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(number):
    reader, writer = await asyncio.open_unix_connection("/tmp/server")
    writer.write(f"hello {number}\n".encode())
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer.decode().strip()


async def main():
    server = await asyncio.start_unix_server(upper, "/tmp/server")
    async with server:
        print(await asyncio.gather(*(client(number) for number in range(3))))

    process = await asyncio.create_subprocess_exec(
        "tr", "a-z", "A-Z", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(b"through a pipe")
    print(out.decode(), process.returncode)
    shell = await asyncio.create_subprocess_shell("exit 7")
    print(await shell.wait())

    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(60)
    except TimeoutError:
        print("timeout")

    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, signalled.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await signalled.wait()
    print(await asyncio.to_thread(sum, range(1000)))

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(asyncio.to_thread(int, "x"))
    except* ValueError as errors:
        print(len(errors.exceptions))

    # Standard input is a file and no pipe, so it is read by a thread.
    print((await loop.run_in_executor(None, sys.stdin.read)).split())


asyncio.run(main())
