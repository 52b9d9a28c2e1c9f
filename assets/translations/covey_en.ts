<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
<context>
    <name>Conversation</name>
    <message numerus="yes">
        <source>%n device(s) connected</source>
        <translation type="vanished">
            <numerusform>%n device connected</numerusform>
            <numerusform>%n devices connected</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n connected</source>
        <translation>
            <numerusform>%n connected</numerusform>
            <numerusform>%n connected</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>JumpButton</name>
    <message numerus="yes">
        <source>Jump to %n new message(s)</source>
        <translation>
            <numerusform>Jump to %n new message</numerusform>
            <numerusform>Jump to %n new messages</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>NetworkView</name>
    <message numerus="yes">
        <source>Connected to %n device(s)</source>
        <translation>
            <numerusform>Connected to %n device</numerusform>
            <numerusform>Connected to %n devices</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n directly</source>
        <translation>
            <numerusform>%n directly</numerusform>
            <numerusform>%n directly</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n in the same network</source>
        <translation>
            <numerusform>%n in the same network</numerusform>
            <numerusform>%n in the same network</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n through a relay</source>
        <translation>
            <numerusform>%n through a relay</numerusform>
            <numerusform>%n through a relay</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RoomRow</name>
    <message numerus="yes">
        <source>%n unread message(s)</source>
        <translation>
            <numerusform>%n unread message</numerusform>
            <numerusform>%n unread messages</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n device(s) connected</source>
        <translation>
            <numerusform>%n device connected</numerusform>
            <numerusform>%n devices connected</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>format</name>
    <message numerus="yes">
        <source>%n member(s)</source>
        <translation>
            <numerusform>%n member</numerusform>
            <numerusform>%n members</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n device(s)</source>
        <translation>
            <numerusform>%n device</numerusform>
            <numerusform>%n devices</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>On %n device(s)</source>
        <translation>
            <numerusform>On %n device</numerusform>
            <numerusform>On %n devices</numerusform>
        </translation>
    </message>
</context>
</TS>
