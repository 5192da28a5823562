'use strict';

const dgram = require('node:dgram');
const dns = require('node:dns/promises');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const { once } = require('node:events');

async function see(name, call) {
    try {
        await call();
        console.log(name, 'works');
    } catch (error) {
        console.log(name, error.cause?.code ?? error.code);
    }
}

(async () => {
    await see('connect', () => once(net.connect(80, '127.0.0.1'), 'connect'));
    await see('listen', () => once(http.createServer().listen(8000), 'listening'));
    await see('lookup', () => dns.lookup('example.org'));
    await see('resolve', () => dns.resolve4('example.org'));
    await see('datagram', async () => {
        const socket = dgram.createSocket('udp4');
        socket.bind();
        await once(socket, 'listening');
    });
    await see('fetch', () => fetch('http://127.0.0.1/'));
    await see('networkInterfaces', () => os.networkInterfaces());
})();
